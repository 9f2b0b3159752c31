"""How many requests came in each step, as monitoring systems keep them: a value per step, none for a gap."""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from autoscaler.simulation.traces.found import Format, Found, Gap
from autoscaler.simulation.traces.logs import LATEST_S, MOST_TOKENS
from autoscaler.simulation.traces.table import Header
from autoscaler.simulation.traces.text import Block
from autoscaler.simulation.workload import Rates, Values, WorkloadError

SHORT_GAP_S = 600.0
"""Gaps up to so long, or of one step, are interpolated; at longer ones the load is cut."""
LONGEST_STEP_S = 3600
"""Of what comes in longer steps nothing can be said that an autoscaler would notice: they are milliseconds, most likely."""

_MOST_STEPS = 20_000_000  # 38 years of minutes
_TIME, _REQUESTS, _PROMPTS, _OUTPUTS = KNOWN = ("timestamp_s", "requests", "prompt_tokens", "output_tokens")


def read(name: str, header: Header, blocks: Iterator[Block]) -> tuple[Rates, Found]:
    """Return counts per step as rates: the longest stretch without a long gap, and what was before it as its past.

    The step is the usual distance of two lines. Raises `WorkloadError` with the line for times that do not ascend, that fall into
    a step that has its line already, or that seem to be milliseconds, and for values that are negative or absurd.
    """
    file = header.file
    header.require(needed=(_TIME, _REQUESTS), known=KNOWN)
    at, counts, prompts, outputs, lines = _columns(header, blocks)
    if len(at) < 2:
        raise WorkloadError(f"{file}: {len(at)} lines with data: at least two are needed, the step is their distance")
    step_s, slots = _grid(file, at, lines)
    number = int(slots[-1]) + 1
    load = np.full(number, np.nan)
    load[slots] = counts
    first, end, gaps = _stretch(load, float(at[0]), step_s)
    done = []
    if end == first:
        raise WorkloadError(f"{file}: there is no value in any line: fill in the column {_REQUESTS}")
    past, serving = load[:first], load[first:end]
    if len(past):
        done.append(f"cut at a gap longer than {SHORT_GAP_S:.0f} s: {len(past):,} steps before it teach, and are not served")
    if end < number:
        done.append(f"cut at a gap longer than {SHORT_GAP_S:.0f} s: {number - end:,} steps after it are left out")
    unknown = np.isnan(serving)
    if unknown.any():
        serving = np.interp(np.arange(len(serving)), np.flatnonzero(~unknown), serving[~unknown])
        done.append(f"{int(unknown.sum()):,} steps without a value interpolated from their neighbours, so that they can be served")
    if not serving.any():
        raise WorkloadError(f"{file}: there are no requests in its longest stretch without a gap: give a file in which some came")
    zeros = int(np.count_nonzero(serving == 0))
    if zeros:
        done.append(
            f"{zeros:,} of {len(serving):,} steps are 0 in the file: taken for silence, which an outage would also look like"
        )
    begins_s = round(float(at[0]) / step_s) * step_s + first * step_s
    lengths, unknown_lengths = {}, []
    for field, column, sums in (("mean_prompt_tokens", _PROMPTS, prompts), ("mean_output_tokens", _OUTPUTS, outputs)):
        if sums is None:
            unknown_lengths.append(column)
        else:
            lengths[field] = _mean(file, column, sums, counts)
    if unknown_lengths:
        done.append(f"no column {' and no '.join(unknown_lengths)}: the usual mean length is assumed")
    found = Found(
        file=file,
        format=Format.COUNTS,
        rows=len(at),
        begins_at_s=float(at[0]),
        duration_s=float(number * step_s),
        gaps=gaps,
        longest_silence_s=float(_longest(serving == 0) * step_s),
        done=tuple(done),
    )
    return Rates(name, step_s, serving / step_s, past=past / step_s, start_s=begins_s, **lengths), found


def _columns(header: Header, blocks: Iterator[Block]) -> tuple[Values, Values, Values | None, Values | None, NDArray[np.int64]]:
    """Return times, counts, sums of tokens where they are there, and the lines; all times ascend, and no value is negative."""
    kept: dict[str, list[Values]] = {name: [np.empty(0)] for name in header.names}
    lines = [np.empty(0, dtype=np.int64)]
    latest_s = -np.inf
    for block in blocks:
        rows = header.rows(block)
        if not len(rows):
            continue
        at = rows.numbers(_TIME)
        rows.require(at >= 0, _TIME, "is negative: times are seconds since the epoch, or since the beginning")
        rows.require(at <= LATEST_S, _TIME, "is after the year 2100: convert milliseconds to seconds")
        before = np.concatenate(([latest_s], at[:-1]))
        rows.require(at != before, _TIME, "is there twice: keep one line for each step")
        rows.require(at > before, _TIME, "is earlier than the line before it: sort the lines by their times")
        latest_s = float(at[-1])
        kept[_TIME].append(at)
        for name in header.names:
            if name != _TIME:
                values = rows.numbers(name, gaps=True)
                rows.require(~(values < 0), name, "is negative: mend the value, or leave it empty for a gap")
                kept[name].append(values)
        lines.append(np.array(rows.lines, dtype=np.int64))
    columns = {name: np.concatenate(values) for name, values in kept.items()}
    return columns[_TIME], columns[_REQUESTS], columns.get(_PROMPTS), columns.get(_OUTPUTS), np.concatenate(lines)


def _grid(file: str, at: Values, lines: NDArray[np.int64]) -> tuple[int, NDArray[np.int64]]:
    """Return the step, and the number of the step that each line is of, from 0."""
    distances = np.diff(at)
    usual_s = float(np.median(distances))
    step_s = round(usual_s)
    if step_s < 1:
        raise WorkloadError(f"{file}, line {lines[1]}: {usual_s:g} s after the line before: add the counts up to whole seconds")
    if step_s > LONGEST_STEP_S:
        raise WorkloadError(
            f"{file}, line {lines[1]}: lines are {usual_s:g} s apart, and {LONGEST_STEP_S} s are the most: convert milliseconds to "
            "seconds, or give finer counts"
        )
    offsets = (at - at[0]) / step_s
    if offsets[-1] >= _MOST_STEPS:
        widest = int(np.argmax(distances)) + 1
        raise WorkloadError(f"{file}, line {lines[widest]}: {distances[widest - 1]:g} s after the line before: mend its time")
    slots = np.rint(offsets).astype(np.int64)
    shared = np.flatnonzero(np.diff(slots) == 0)
    if len(shared):
        raise WorkloadError(
            f"{file}, line {lines[shared[0] + 1]}: {distances[shared[0]]:g} s after the line before, where the usual step is "
            f"{step_s} s: keep one line for each step"
        )
    return step_s, slots


def _stretch(load: Values, begins_s: float, step_s: int) -> tuple[int, int, tuple[Gap, ...]]:
    """Return where the longest stretch without a long gap begins and ends, and all gaps between values."""
    known = np.flatnonzero(~np.isnan(load))
    if not len(known):
        return 0, 0, ()
    missing = np.diff(known) - 1
    long = missing > max(SHORT_GAP_S / step_s, 1.0)
    gaps = tuple(
        Gap(
            start_s=begins_s + float(known[at] + 1) * step_s,
            duration_s=float(missing[at] * step_s),
            filled=not long[at],
        )
        for at in np.flatnonzero(missing).tolist()
    )
    cuts = np.flatnonzero(long)
    firsts = known[np.concatenate(([0], cuts + 1))]
    ends = known[np.concatenate((cuts, [len(known) - 1]))] + 1
    longest = int(np.argmax(ends - firsts))
    # A gap that was only cut around is not filled either.
    first, end = int(firsts[longest]), int(ends[longest])
    inside = (begins_s + first * step_s, begins_s + end * step_s)
    return (
        first,
        end,
        tuple(
            gap if inside[0] <= gap.start_s < inside[1] else Gap(start_s=gap.start_s, duration_s=gap.duration_s, filled=False)
            for gap in gaps
        ),
    )


def _mean(file: str, name: str, sums: Values, counts: Values) -> float:
    """Return the mean length of those of which both the sum and the number are known."""
    both = ~np.isnan(sums) & ~np.isnan(counts)
    requests = float(counts[both].sum())
    mean = float(sums[both].sum()) / requests if requests > 0 else 0.0
    if not 1.0 <= mean <= MOST_TOKENS:
        raise WorkloadError(
            f"{file}: {name} adds up to {mean:.3g} for each request, and must to 1 to {MOST_TOKENS:,}: give the sum of each step"
        )
    return mean


def _longest(flags: NDArray[np.bool_]) -> int:
    """Return the length of the longest run of True."""
    edges = np.flatnonzero(np.diff(np.concatenate(([False], flags, [False]))))
    return int((edges[1::2] - edges[::2]).max(initial=0))
