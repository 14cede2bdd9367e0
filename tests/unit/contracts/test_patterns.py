from __future__ import annotations

import re
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mesh_catalog.contracts.patterns import check_pattern


@pytest.mark.parametrize(
    "pattern",
    [
        "ACC[0-9]{8}",
        r"^[\w.+-]+@([\w-]+\.)+[a-z]{2,}$",
        r"^(\d{3}-)*\d+$",
        "(?i)^yes|no$",
        r"^(?=.*\d).{8,64}$",
        "(foo|bar)+",
        "한글+",
        r"\x41é",
        "",
    ],
)
def test_a_plain_pattern_is_accepted(pattern: str) -> None:
    check_pattern(pattern)


@pytest.mark.parametrize(
    ("pattern", "sentence"),
    [
        ("(a+)+", "for ever"),
        (r"(.+\.)+x", "for ever"),
        (r"^(\s*\w+\s*,?)+$", "for ever"),
        ("(a{1,500}){2,500}", "for ever"),
        ("(a?)*", "may be empty"),
        ("(a|a)*b", "begin alike"),
        ("(?P<year>x)", "Java and Python"),
        (r"\p{L}", "Java and Python"),
        (r"(a)\1", "Java and Python"),
        ("[a[b]]", "Java and Python"),
        ("[a&&b]", "Java and Python"),
        (r"x\Z", "Java and Python"),
        ("a{", "no quantifier"),
        ("a**", "repeats nothing"),
        ("(a", "without a"),
        ("a)", "without a"),
        ("[a-z", "without a"),
        ("[z-a]", "no regular expression"),
        ("x{2000}", "repeats more than"),
        ("x{3,1}", "end is before"),
        ("a" * 1001, "longer than"),
        ("(" * 30 + ")" * 30, "deep"),
    ],
)
def test_a_pattern_that_is_dangerous_or_reads_differently_in_java_is_refused(pattern: str, sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        check_pattern(pattern)


@settings(deadline=None)
@given(st.text(alphabet="ab.*+?()[]|{}1,\\d^$", max_size=14))
def test_whatever_is_accepted_compiles_and_answers_at_once(pattern: str) -> None:
    try:
        check_pattern(pattern)
    except ValueError:
        return
    compiled = re.compile(pattern)
    started = time.monotonic()
    compiled.search("ab" * 12 + "!")
    compiled.search("a" * 24 + "!")
    assert time.monotonic() - started < 5
