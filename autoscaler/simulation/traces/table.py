"""Columns of CSV, a block of lines at a time: in bulk while all is well, and with the number of the line where it is not."""

import csv
import itertools
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import numpy as np
from numpy.typing import NDArray

from autoscaler.simulation.traces.text import Block
from autoscaler.simulation.workload import Values, WorkloadError

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_SECOND = timedelta(seconds=1)


@dataclass(frozen=True, slots=True)
class Header:
    """The first line of a CSV file: the names of its columns, in lower case."""

    file: str
    names: tuple[str, ...]

    def require(self, *, needed: Sequence[str], known: Iterable[str]) -> None:
        """Raise `WorkloadError` for a column that is missing, there twice, or none of *known*."""
        if missing := [name for name in needed if name not in self.names]:
            raise WorkloadError(f"{self.file}, line 1: the header must name {_listed(needed)}; {_listed(missing)} is not there")
        if twice := sorted({name for name in self.names if self.names.count(name) > 1}):
            raise WorkloadError(f"{self.file}, line 1: {_listed(twice)} is there more than once: keep one")
        if unknown := [name for name in self.names if name not in known]:
            raise WorkloadError(
                f"{self.file}, line 1: nobody knows here what {_listed(unknown)} means: take it out, or rename it to one of "
                f"{_listed(list(known))}"
            )

    def rows(self, block: Block) -> "Rows":
        """Return the rows of *block*. Raises `WorkloadError` for a line that has more or fewer cells than the header."""
        lines: Sequence[str] = block.lines
        numbers: Sequence[int] = range(block.first, block.first + len(lines))
        if not all(map(str.strip, lines)):  # empty ones are no rows
            numbers = [number for number, line in zip(numbers, lines, strict=True) if line.strip()]
            lines = [line for line in lines if line.strip()]
        if not lines:
            return Rows(self.file, numbers, {name: [] for name in self.names})
        width = len(self.names)
        cells = [_split(self.file, number, line) for number, line in zip(numbers, lines, strict=True)] if _quoted(lines) else None
        widths = [line.count(",") + 1 for line in lines] if cells is None else [len(row) for row in cells]
        for number, found in zip(numbers, widths, strict=True):
            if found != width:
                raise WorkloadError(
                    f"{self.file}, line {number}: {found} cells where the header has {width}: mend or delete the line"
                )
        flat = ",".join(lines).split(",") if cells is None else list(itertools.chain.from_iterable(cells))
        return Rows(self.file, numbers, {name: flat[at::width] for at, name in enumerate(self.names)})


def header(file: str, line: str) -> Header:
    """Return the header that *line*, the first one, is."""
    return Header(file, tuple(name.strip().lower() for name in _split(file, 1, line)))


@dataclass(frozen=True, slots=True)
class Rows:
    """The cells of some lines, by the names of their columns."""

    file: str
    lines: Sequence[int]
    """The number of each line."""
    cells: Mapping[str, list[str]]

    def __len__(self) -> int:
        """Return how many there are."""
        return len(self.lines)

    def numbers(self, column: str, *, gaps: bool = False) -> Values:
        """Return a column as finite numbers, NaN for an empty cell with *gaps*. Raises `WorkloadError` with the line."""
        cells = self.cells[column]
        try:
            values = np.array(list(map(float, cells)), dtype=np.float64)
        except ValueError:
            values = np.array([self._number(row, column, gaps=gaps) for row in range(len(cells))], dtype=np.float64)
        self.require(np.isfinite(values) | (np.isnan(values) & gaps), column, "must be a finite number: mend or delete the line")
        return values

    def times(self, column: str) -> Values:
        """Return a column of ISO 8601 dates and times as Unix seconds; without a zone they are UTC. Raises `WorkloadError`."""
        return np.array([self._moment(row, column) for row in range(len(self))], dtype=np.float64)

    def require(self, held: NDArray[np.bool_], column: str, rule: str) -> None:
        """Raise `WorkloadError` for the first row that is not *held*."""
        if not held.all():
            raise self.fault(int(np.argmin(held)), column, rule)

    def fault(self, row: int, column: str, rule: str) -> WorkloadError:
        """Return the error that names *row*'s line and cell."""
        return WorkloadError(f"{self.file}, line {self.lines[row]}: {column} {self.cells[column][row][:40]!r} {rule}")

    def _moment(self, row: int, column: str) -> float:
        try:
            moment = datetime.fromisoformat(self.cells[column][row].strip())
            return ((moment if moment.tzinfo else moment.replace(tzinfo=UTC)) - _EPOCH) / _SECOND
        except (ValueError, OverflowError) as exc:
            raise self.fault(row, column, "must be a date and time such as 2024-05-10 00:00:00.0099300") from exc

    def _number(self, row: int, column: str, *, gaps: bool) -> float:
        text = self.cells[column][row].strip()
        if not text and gaps:
            return float("nan")
        try:
            return float(text)
        except ValueError as exc:
            raise self.fault(row, column, "must be a number: mend or delete the line") from exc


def _quoted(lines: Sequence[str]) -> bool:
    return '"' in "".join(lines)


def _split(file: str, number: int, line: str) -> list[str]:
    try:
        return next(csv.reader([line], strict=True), [])
    except csv.Error as exc:
        raise WorkloadError(f"{file}, line {number}: this is no line of CSV: {exc}") from exc


def _listed(names: Sequence[str]) -> str:
    return ", ".join(name[:40] or "''" for name in names[:8]) + (", …" if len(names) > 8 else "")
