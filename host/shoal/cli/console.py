"""The terminal: results go to stdout, progress to stderr."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from time import monotonic
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from rich.console import Console

    from shoal.link.events import Event, Watch

T = TypeVar("T")

#: columns of a stdout that is no terminal
_WIDE = 160

#: a job that is done within these seconds shows no progress bar
_PATIENCE = 2.0


def console(*, err: bool = False) -> Console:
    """rich's console on the stdout (or stderr) of this moment; wide where it is no terminal, so that what is piped is
    not cut."""
    from rich.console import Console

    stream = sys.stderr if err else sys.stdout
    return Console(file=stream, highlight=False, width=None if stream.isatty() else _WIDE)


class Progress:
    """Counts what is done; a bar on stderr shows it where that is a terminal and the job takes its time."""

    def __init__(self, what: str, total: int) -> None:
        self._what, self._total = what, total
        self._done = 0
        self._started = monotonic()
        self._bar: Any = None
        self._task: Any = None

    def advance(self, by: int = 1) -> None:
        self._done += by
        if self._bar is None and sys.stderr.isatty() and monotonic() - self._started > _PATIENCE:
            from rich import progress

            columns = (*progress.Progress.get_default_columns(), progress.MofNCompleteColumn())
            self._bar = progress.Progress(*columns, console=console(err=True), transient=True)
            self._bar.start()
            self._task = self._bar.add_task(self._what, total=self._total)
        if self._bar is not None:
            self._bar.update(self._task, completed=self._done)

    def track(self, items: Iterable[T]) -> Iterator[T]:
        """The items, each counted once it is done with."""
        for item in items:
            yield item
            self.advance()

    def close(self) -> None:
        if self._bar is not None:
            self._bar.stop()


@contextmanager
def progress(what: str, total: int) -> Iterator[Progress]:
    """`what` is a present participle: `running`."""
    bar = Progress(what, total)
    try:
        yield bar
    finally:
        bar.close()


@contextmanager
def planning() -> Iterator[Callable[[str, float], None]]:
    """Gives what a planner tells how far it is: a line on stderr shows it where that is a terminal and planning takes
    its time."""
    started = monotonic()
    status: Any = None

    def told(what: str, done: float) -> None:
        nonlocal status
        if status is None and sys.stderr.isatty() and monotonic() - started > _PATIENCE:
            status = console(err=True).status("planning")
            status.start()
        if status is not None:
            status.update(f"planning: {what}  [dim]{done:.0%}[/]")

    try:
        yield told
    finally:
        if status is not None:
            status.stop()


@contextmanager
def working(what: str, *, quiet: bool = False) -> Iterator[Callable[[str], None]]:
    """For a job whose length nobody knows: gives a function that takes its lines of output; the last one is shown on
    stderr where that is a terminal. `quiet` shows nothing."""
    if quiet or not sys.stderr.isatty():
        yield lambda line: None
        return
    with console(err=True).status(what) as status:
        yield (
            lambda line: (
                status.update(f"{what}  [dim]{line.strip()[:80].replace('[', '(')}[/]") if line.strip() else None
            )
        )


@contextmanager
def watching(model: str, names: Mapping[int, str], total: int, also: Sequence[Watch] = ()) -> Iterator[Watch]:
    """What to tell the events of a shoal that runs `total` inputs: a view of its nodes, by their numbers, shows them
    where stdout and stderr are terminals; `also` is told them, too."""
    from shoal.report.live import Live, shown

    watches = list(also)

    def tell(event: Event) -> None:
        for watch in watches:
            watch(event)

    if not (sys.stderr.isatty() and sys.stdout.isatty()) or _prints_json():
        yield tell
        return
    live = Live(model, names, total)
    watches.append(live)
    with shown(live, console(err=True)):
        yield tell


def _prints_json() -> bool:
    import click

    context = click.get_current_context(silent=True)
    return bool(context and context.params.get("as_json"))
