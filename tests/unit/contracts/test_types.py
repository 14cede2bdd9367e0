from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mesh_catalog.contracts.types import column_type, spark_type


@pytest.mark.parametrize(
    ("written", "stored"),
    [
        ("VARCHAR(18)", "string"),
        ("varchar(max)", "string"),
        ("text", "string"),
        ("INTEGER", "int"),
        ("long", "bigint"),
        ("double precision", "double"),
        ("timestamp(6)", "timestamp"),
        ("int(11)", "int"),
        ("float(3,2)", "float"),
        ("timestamp with time zone", "timestamp"),
        ("numeric(18, 2)", "decimal(18,2)"),
        ("decimal(5)", "decimal(5,0)"),
        ("numeric", "decimal(38,18)"),
        ("array< string >", "array<string>"),
        ("map<string, int>", "map<string,int>"),
        ("struct<a: int, b: array<varchar(3)>>", "struct<a:int,b:array<string>>"),
    ],
)
def test_a_physical_type_becomes_the_spark_type_that_the_table_stores(written: str, stored: str) -> None:
    assert spark_type(written) == stored


@pytest.mark.parametrize(
    ("written", "sentence"),
    [
        ("decmial(3)", "is not known. Did you mean 'decimal'"),
        ("date(3)", "takes no length"),
        ("decimal(40,2)", "out of bounds"),
        ("decimal(4,5)", "out of bounds"),
        ("decimal()", "not well formed"),
        ("array", "must say of what"),
        ("map<string>", "not well formed"),
        ("struct<a:int", "ends too early"),
        ("struct<int>", "without names|too early"),
        ("struct<,:int>", "without names"),
        ("string; drop table x", "is not known"),
        ("", "ends too early"),
        ("array<" * 20 + "int" + ">" * 20, "deep"),
    ],
)
def test_a_type_outside_the_grammar_is_refused_with_a_sentence(written: str, sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        spark_type(written)


@settings(deadline=None)
@given(st.text(max_size=40))
def test_any_text_is_a_type_or_a_sentence_and_never_another_error(text: str) -> None:
    try:
        found = spark_type(text)
    except ValueError as error:
        found, message = "string", str(error)
    else:
        message = "has been read"
    assert message.startswith("has ")
    assert spark_type(found) == found


_SIMPLE = st.sampled_from(["string", "boolean", "int", "bigint", "double", "date", "timestamp", "decimal(10,2)"])


@settings(deadline=None)
@given(
    st.recursive(
        _SIMPLE,
        lambda inner: st.one_of(
            inner.map("array<{}>".format),
            inner.map("map<string,{}>".format),
            st.tuples(inner, inner).map(lambda pair: f"struct<a:{pair[0]},b:{pair[1]}>"),
        ),
        max_leaves=4,
    )
)
def test_a_canonical_type_is_read_as_itself(text: str) -> None:
    assert spark_type(text) == text


@pytest.mark.parametrize(
    ("logical", "physical", "stored"),
    [
        ("integer", None, "bigint"),
        ("number", None, "double"),
        ("time", None, "string"),
        ("integer", "smallint", "smallint"),
        ("number", "decimal(18,2)", "decimal(18,2)"),
        ("date", "timestamp", "timestamp"),
        ("array", "array<int>", "array<int>"),
        ("object", "map<string,int>", "map<string,int>"),
    ],
)
def test_a_logical_type_has_a_default_and_the_physical_type_goes_before_it(
    logical: str, physical: str | None, stored: str
) -> None:
    assert column_type(logical, physical) == (logical, stored)


@pytest.mark.parametrize(
    ("physical", "logical"),
    [("decimal(4,2)", "number"), ("bigint", "integer"), ("timestamp", "timestamp"), ("struct<a:int>", "object")],
)
def test_a_physical_type_alone_implies_the_logical_one(physical: str, logical: str) -> None:
    assert column_type(None, physical)[0] == logical


@pytest.mark.parametrize(
    ("logical", "physical", "sentence"),
    [
        (None, None, "has no type"),
        ("object", None, "needs a physicalType"),
        ("integer", "string", "Make them agree"),
        ("boolean", "int", "Make them agree"),
    ],
)
def test_types_that_are_missing_or_contradict_each_other_are_refused(
    logical: str | None, physical: str | None, sentence: str
) -> None:
    with pytest.raises(ValueError, match=sentence):
        column_type(logical, physical)
