"""Turn after turn until somebody says stop: a scheduler for one machine."""

from __future__ import annotations

import signal
from collections.abc import Callable
from threading import Event
from types import FrameType

__all__ = ["until_stopped"]


def until_stopped(once: Callable[[Callable[[], bool]], None], *, seconds: float) -> int:
    """Call `once` again and again, `seconds` apart, until SIGINT or SIGTERM; returns how often it was called.

    The first signal lets the step under way end: `once` is given a function that says whether to stop. A second one
    does what it would have done without this: what is under way is resumed by the next turn.

    Only in a process's main thread, since signals are heard there.
    """
    stopped = Event()
    before: dict[int, object] = {}

    def stop(number: int, _frame: FrameType | None) -> None:
        stopped.set()
        for known, handler in before.items():
            signal.signal(known, handler)  # type: ignore[arg-type]

    for number in (signal.SIGINT, signal.SIGTERM):
        before[number] = signal.signal(number, stop)
    turns = 0
    try:
        while not stopped.is_set():
            once(stopped.is_set)
            turns += 1
            stopped.wait(seconds)
    finally:
        for known, handler in before.items():
            signal.signal(known, handler)  # type: ignore[arg-type]
    return turns
