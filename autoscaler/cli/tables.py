"""Tables as kubectl sets them: a line for each row, sooner wider than the terminal than cut, or folded to a letter a line."""

from collections.abc import Collection, Iterable

from rich.cells import cell_len
from rich.console import Console, ConsoleOptions, RenderResult
from rich.measure import Measurement
from rich.segment import Segment
from rich.table import Column, Table
from rich.text import Text

from autoscaler.cli import terminal

ABSENT = "–"

#: Prose that has no room for so many letters on a line is not folded: the row goes on past the terminal's edge.
_PROSE = 24


def grid(*headings: str, prose: Collection[str] = (), headed: bool = True) -> Table:
    """Return a table without lines; columns of *prose* may be folded. Without *headed* the headings are not shown."""
    columns = (Column(heading, overflow="fold" if heading in prose else "ellipsis") for heading in headings)
    return Table(*columns, box=None, pad_edge=False, header_style="dim", padding=(0, 2, 0, 0), show_header=headed)


class Whole:
    """A table of text whose columns are as wide as the widest of their cells.

    Where that is wider than the terminal, the columns that fold are folded if that is enough to have all fit, and else none is.
    With *one_line* they are cut, with an ellipsis: each row is one line of a screen.
    """

    def __init__(self, table: Table, *, one_line: bool = False) -> None:
        self._table = table
        self._prose = [column for column in table.columns if column.overflow == "fold"]
        self._one_line = one_line

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        width = self._set(console, options)
        lines = console.render(self._table, options.update(width=width))
        for line in Segment.split_lines(lines):
            yield from _without_blanks(line)
            yield Segment.line()

    def _set(self, console: Console, options: ConsoleOptions) -> int:
        """Set how wide each column is, and return how wide all of it is."""
        for column in self._prose:
            column.width = None
            column.no_wrap, column.overflow = self._one_line, "ellipsis" if self._one_line else "fold"
        total = Measurement.get(console, options.update(width=terminal.UNBOUNDED), self._table).maximum
        widths = [max(map(_length, (column.header, *column.cells))) for column in self._prose]
        excess, spare = total - options.max_width, sum(max(0, width - _PROSE) for width in widths)
        if excess <= 0 or (excess > spare and not self._one_line):
            return total
        taken = min(excess, spare)
        for _ in range(taken):  # the widest first, so that each keeps its least
            widths[widths.index(max(widths))] -= 1
        for column, width in zip(self._prose, widths, strict=True):
            column.width = width
        return total - taken


def cell(text: object, *, style: str = "") -> Text:
    """Return *text* as it is, in one line, without any power over the terminal."""
    return Text(terminal.plain(text), style=style)


def number(value: int | None, *, style: str = "") -> Text:
    """Return *value*, or that there is none."""
    return Text(or_absent(value), style=style, justify="right")


def seconds(value: float | None) -> str:
    """Return a duration, or that there is none."""
    return ABSENT if value is None else f"{value:.0f}s"


def or_absent(value: int | None) -> str:
    """Return *value* in words."""
    return ABSENT if value is None else str(value)


def _length(text: object) -> int:
    return text.cell_len if isinstance(text, Text) else cell_len(str(text))


def _without_blanks(line: list[Segment]) -> Iterable[Segment]:
    """Return *line* without the blanks that fill it."""
    while line and not line[-1].text.strip():
        line.pop()
    if line:
        last = line.pop()
        line.append(Segment(last.text.rstrip(), last.style, last.control))
    return line
