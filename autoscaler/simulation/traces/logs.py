"""Request logs, a line for each request: Azure's, BurstGPT's and Mooncake's."""

import json
from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from autoscaler.simulation.traces.found import Format, Found
from autoscaler.simulation.traces.table import Header, Rows
from autoscaler.simulation.traces.text import Block
from autoscaler.simulation.workload import Requests, Values, WorkloadError

MOST_TOKENS = 10_000_000
"""No prompt and no answer is longer: such a number is in another unit, or a sum."""
LATEST_S = 4_102_444_800.0
"""The year 2100: a later time is in another unit."""
LATE_S = 600.0
"""Logs are written when answers are done, so lines may be so late, and are put in order; what is later is no such log."""

_AZURE = ("timestamp", "contexttokens", "generatedtokens")
_BURSTGPT = ("timestamp", "request tokens", "response tokens")
_BURSTGPT_KNOWN = (*_BURSTGPT, "model", "total tokens", "log type", "session id", "elapsed time")
_MOONCAKE = ("timestamp", "input_length", "output_length")
_MOONCAKE_KNOWN = (*_MOONCAKE, "hash_ids")


@dataclass(frozen=True, slots=True)
class _Columns:
    """Which columns a log's times and lengths are in, and the unit of its times; None: they are dates."""

    format: Format
    time: str
    prompt: str
    output: str
    unit_s: float | None


_COLUMNS = {
    Format.AZURE: _Columns(Format.AZURE, *_AZURE, unit_s=None),
    Format.BURSTGPT: _Columns(Format.BURSTGPT, *_BURSTGPT, unit_s=1.0),
    Format.MOONCAKE: _Columns(Format.MOONCAKE, *_MOONCAKE, unit_s=0.001),
}


def azure(name: str, header: Header, blocks: Iterator[Block]) -> tuple[Requests, Found]:
    """Return an Azure LLM trace, of 2023 or 2024: dates with up to 9 digits after the second, with a zone or in UTC."""
    header.require(needed=_AZURE, known=_AZURE)
    return _read(_COLUMNS[Format.AZURE], name, header.file, map(header.rows, blocks))


def burstgpt(name: str, header: Header, blocks: Iterator[Block]) -> tuple[Requests, Found]:
    """Return a BurstGPT trace, of either version. Requests that failed have an answer of 0 tokens, and are left out."""
    header.require(needed=_BURSTGPT, known=_BURSTGPT_KNOWN)
    return _read(_COLUMNS[Format.BURSTGPT], name, header.file, map(header.rows, blocks))


def mooncake(name: str, file: str, blocks: Iterator[Block]) -> tuple[Requests, Found]:
    """Return a Mooncake trace: JSON lines."""
    return _read(_COLUMNS[Format.MOONCAKE], name, file, (_objects(file, block) for block in blocks))


@dataclass(slots=True)
class _Log:
    """What has been read so far."""

    rows: int = 0
    at: list[Values] = field(default_factory=list)
    prompts: list[Values] = field(default_factory=list)
    outputs: list[Values] = field(default_factory=list)
    no_answer: int = 0
    no_prompt: int = 0
    latest_s: float = -np.inf
    late: int = 0
    most_late_s: float = 0.0
    first_late: int = 0


def _read(columns: _Columns, name: str, file: str, pieces: Iterator[Rows]) -> tuple[Requests, Found]:
    log = _Log()
    for rows in pieces:
        if len(rows):
            _take(log, columns, rows)
    at, prompts, outputs = (np.concatenate(kept or [np.empty(0)]) for kept in (log.at, log.prompts, log.outputs))
    left_out = tuple(
        (reason, count)
        for reason, count in (("no answer (0 tokens)", log.no_answer), ("no prompt (0 tokens)", log.no_prompt))
        if count
    )
    if not len(at):
        said = ": " + ", ".join(f"{count} rows have {reason}" for reason, count in left_out) if left_out else ""
        raise WorkloadError(f"{file}: there are no requests{said}: give a log of some that were answered")
    done = []
    if log.late:
        order = np.argsort(at, kind="stable")
        at, prompts, outputs = at[order], prompts[order], outputs[order]
        done.append(
            f"{log.late:,} rows came after later ones, by up to {log.most_late_s:.3g} s, the first in line {log.first_late}: "
            "put in order"
        )
    first = float(at[0])
    found = Found(
        file=file,
        format=columns.format,
        rows=log.rows,
        begins_at_s=first,
        duration_s=float(at[-1]) - first,
        left_out=left_out,
        longest_silence_s=float(np.diff(at).max(initial=0.0)),
        done=tuple(done),
    )
    # Microseconds: what dates of this century keep of a second in 64 bits, and all that any of the formats has to say.
    return Requests(name, np.round(at - first, 6), prompts, outputs), found


def _take(log: _Log, columns: _Columns, rows: Rows) -> None:
    """Add *rows* to what has been read, or raise `WorkloadError` for the first of them that cannot be meant."""
    at = rows.times(columns.time) if columns.unit_s is None else rows.numbers(columns.time) * columns.unit_s
    rows.require(at >= 0, columns.time, "is before 1970, or negative: mend or delete the line")
    if columns.unit_s is None:
        remedy = "is not before 2100: mend or delete the line"
    else:
        remedy = f"is too large for a time in {'seconds' if columns.unit_s == 1.0 else 'milliseconds'}: convert the column"
    rows.require(at <= LATEST_S, columns.time, remedy)
    prompts, outputs = _lengths(rows, columns.prompt), _lengths(rows, columns.output)
    _order(log, columns, rows, at)
    answered, asked = outputs > 0, prompts > 0
    log.rows += len(rows)
    log.no_answer += int(np.count_nonzero(~answered))
    log.no_prompt += int(np.count_nonzero(answered & ~asked))
    usable = answered & asked
    log.at.append(at[usable])
    log.prompts.append(prompts[usable])
    log.outputs.append(outputs[usable])


def _lengths(rows: Rows, column: str) -> Values:
    lengths = rows.numbers(column)
    rows.require(lengths >= 0, column, "is negative: mend or delete the line")
    rows.require(lengths <= MOST_TOKENS, column, f"is more than {MOST_TOKENS:,} tokens, which nothing has: mend or delete the line")
    rows.require(lengths == np.floor(lengths), column, "is no whole number of tokens: mend or delete the line")
    return lengths


def _order(log: _Log, columns: _Columns, rows: Rows, at: Values) -> None:
    """Count the rows that come after later ones."""
    latest = np.maximum(np.maximum.accumulate(at), log.latest_s)
    behind_s = latest - at
    rows.require(
        behind_s <= LATE_S,
        columns.time,
        f"is more than {LATE_S:.0f} s earlier than a line before it: sort the file by its times, and give one log at a time",
    )
    late: NDArray[np.bool_] = behind_s > 0
    if late.any():
        log.first_late = log.first_late or rows.lines[int(np.argmax(late))]
        log.late += int(np.count_nonzero(late))
        log.most_late_s = max(log.most_late_s, float(behind_s.max()))
    log.latest_s = float(latest[-1])


def _objects(file: str, block: Block) -> Rows:
    """Return the rows of JSON lines; the texts of their numbers stand for the cells."""
    numbers: list[int] = []
    cells: dict[str, list[str]] = {name: [] for name in _MOONCAKE}
    for number, line in enumerate(block.lines, start=block.first):
        if not line.strip():
            continue
        try:
            value = json.loads(line)
        except (ValueError, RecursionError) as exc:
            raise WorkloadError(f"{file}, line {number}: this is no JSON object: mend or delete the line") from exc
        if not isinstance(value, dict):
            raise WorkloadError(f"{file}, line {number}: this is no JSON object: mend or delete the line")
        if unknown := sorted(value.keys() - set(_MOONCAKE_KNOWN)):
            raise WorkloadError(f"{file}, line {number}: nobody knows here what {unknown[0][:40]!r} means: take it out")
        for name in _MOONCAKE:
            given = value.get(name)
            if isinstance(given, bool) or not isinstance(given, int | float):
                raise WorkloadError(f"{file}, line {number}: {name} must be a number: mend or delete the line")
            cells[name].append(repr(given))
        numbers.append(number)
    return Rows(file, numbers, cells)
