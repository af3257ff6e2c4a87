"""Progress of long work: a bar on stderr where a person looks, nothing in a pipe."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

MIB = 1024 * 1024


@contextmanager
def progress_bar(title: str, *, quiet: bool = False, unit: int = 1) -> Iterator[Callable[[int, int], None] | None]:
    """Gives the function to call with (done, total), or None where nobody looks. The bar is gone at the end.

    The bar counts in `unit`s of what it is told: `MIB` of bytes.
    """
    if quiet or not sys.stderr.isatty():
        yield None
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(title, total=None)

        def show(done: int, total: int) -> None:
            bar.update(task, completed=done // unit, total=total // unit)

        yield show


@contextmanager
def share_shown(title: str, *, quiet: bool = False) -> Iterator[Callable[[float, str], None] | None]:
    """Gives the function to call with (0 to 1, a line), or None where nobody looks. The bar is gone at the end."""
    if quiet or not sys.stderr.isatty():
        yield None
        return
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TimeRemainingColumn())
    with Progress(*columns, TextColumn("{task.fields[line]}"), console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(title, total=1.0, line="")

        def show(done: float, line: str) -> None:
            bar.update(task, completed=done, line=line)

        yield show
