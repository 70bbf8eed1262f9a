"""Text for people: tables, bars, amounts. Results go to stdout, progress to stderr."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from rich.console import Console

T = TypeVar("T")

#: width of a table that nobody's terminal limits
_WIDE = 160


def console(*, err: bool = False) -> Console:
    """rich's console on the stdout (or stderr) of this moment; wide where it is no terminal, so that nothing that is
    piped gets cut."""
    from rich.console import Console

    stream = sys.stderr if err else sys.stdout
    return Console(file=stream, highlight=False, soft_wrap=False, width=None if stream.isatty() else _WIDE)


def amount(bytes_: int | None) -> str:
    """Bytes with thousands separated, as in `12,345 B`."""
    return "–" if bytes_ is None else f"{bytes_:,} B"


@contextmanager
def progress(what: str, total: int) -> Iterator[Progress]:
    """A progress bar on stderr where that is a terminal; it appears after two seconds only."""
    bar = Progress(what, total)
    try:
        yield bar
    finally:
        bar.close()


class Progress:
    """Counts up to `total`; see `progress`."""

    _PATIENCE = 2.0

    def __init__(self, what: str, total: int) -> None:
        from time import monotonic

        self._clock = monotonic
        self._started = monotonic()
        self._what, self._total, self._done = what, total, 0
        self._width = 0

    def advance(self, by: int = 1) -> None:
        self._done += by
        elapsed = self._clock() - self._started
        if elapsed >= self._PATIENCE and sys.stderr.isatty():
            self._draw(elapsed)

    def track(self, items: Iterable[T]) -> Iterator[T]:
        for item in items:
            yield item
            self.advance()

    def _draw(self, elapsed: float) -> None:
        cells = 30 * self._done // max(self._total, 1)
        left = elapsed / self._done * (self._total - self._done)
        line = f"{self._what} {'━' * cells}{'╌' * (30 - cells)} {self._done}/{self._total}, {left:.0f} s left"
        sys.stderr.write("\r" + line.ljust(self._width))
        sys.stderr.flush()
        self._width = len(line)

    def close(self) -> None:
        if self._width:
            sys.stderr.write("\r" + " " * self._width + "\r")
            sys.stderr.flush()
