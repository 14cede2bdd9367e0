"""The suites of other people say at the end of the run how many of their cases ran, and how many passed."""

from __future__ import annotations

from collections.abc import Callable

import pytest

Tell = Callable[[str, int, int], None]
_TOLD = pytest.StashKey[list[tuple[str, int, int]]]()


@pytest.fixture
def conformance(pytestconfig: pytest.Config) -> Tell:
    """Call it with a suite's name, the number of its cases that ran, and of those that passed."""
    told = pytestconfig.stash.setdefault(_TOLD, [])

    def tell(suite: str, ran: int, passed: int) -> None:
        told.append((suite, ran, passed))
        assert ran > 0, f"{suite}: no case ran"

    return tell


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """One line a suite."""
    for suite, ran, passed in config.stash.get(_TOLD, []):
        terminalreporter.write_line(f"{suite}: {ran} cases ran, {passed} passed")
