"""How several rows become one value, and when they become none.

What is not a number never becomes one: NaN, infinities, DCGM's blank values and times from the future are left out, and whether
the rest still stands for the whole depends on the fold. A mean, maximum or minimum does while at least half of the series have a
number; a sum does not, because a sum with a part missing is a smaller number that looks like less load.
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import assert_never

from adapter.metric import Missing, Reason, Row, Sample
from adapter.rules.model import Fold, Reducer

#: Clocks differ; a sample that is dated further ahead than this is wrong, and would never grow old.
MAX_AHEAD_S = 30.0

# dcgm_structs.h: blank, not found, not supported and not permitted are the sixteen values from each of these on. As a double
# every int64 blank is 2^63, which is past all of them.
_INT32_BLANK = 0x7FFFFFF0
_INT64_BLANK = 0x7FFFFFFFFFFFFFF0
_FP64_BLANK = 2**47
_BLANKS = 16


def is_blank(value: float) -> bool:
    """Return whether *value* is one that DCGM writes where it has none."""
    if value < _INT32_BLANK:
        return False
    return value >= _INT64_BLANK or _INT32_BLANK <= value < _INT32_BLANK + _BLANKS or _FP64_BLANK <= value < _FP64_BLANK + _BLANKS


@dataclass(frozen=True, slots=True, kw_only=True)
class Context:
    """What `fold` needs to know beside the rows; the same for all objects of a selection."""

    series: str  # what the rows are called in messages
    now: float
    reducer: Reducer
    factor: float = 1.0
    window_s: float | None = None
    blanks: bool = False  # the rows are DCGM's, and may hold its blank values


def fold(rows: Sequence[Row], context: Context, *, shared: bool = False) -> Sample | Missing:
    """Return *rows* (one object's, at least one) as one sample, whose time is its oldest part's, or why they give none."""
    if len(rows) == 1:
        row = rows[0]
        problem = _problem(row, context)
        if problem is None:
            return _sample(row.value * context.factor, row.at, 1, context, shared)
        return Missing(problem, _detail(problem, row, 1, 1, context))
    facts = _facts(rows, context)
    how = context.reducer.fold
    if how is None and len(facts) > 1:
        return Missing(Reason.AMBIGUOUS, _difference(rows, context))
    good: list[Row] = []
    bad: list[tuple[Reason, Row]] = []
    for fact in facts:
        problem = _problem(fact, context)
        if problem is None:
            good.append(fact)
        else:
            bad.append((problem, fact))
    if bad and (how in (None, Fold.SUM) or len(good) < len(bad)):
        problem, row = bad[0]
        return Missing(problem, _detail(problem, row, len(bad), len(facts), context))
    value = combine([fact.value for fact in good], how or Fold.SUM)
    return _sample(value * context.factor, min(fact.at for fact in good), len(good), context, shared)


def combine(values: Sequence[float], how: Fold) -> float:
    """Return *values* (at least one) folded, whatever their order; infinite where the result is beyond a double."""
    match how:
        case Fold.SUM:
            return _sum(values)
        case Fold.MEAN:
            return _sum(values) / len(values)
        case Fold.MAX:
            return max(values)
        case Fold.MIN:
            return min(values)
        case _:
            assert_never(how)


def split(rows: Iterable[Row], keep: Sequence[str]) -> dict[tuple[str, ...], list[Row]]:
    """Return *rows* by their values of the labels in *keep*; an absent label counts as empty."""
    parts: dict[tuple[str, ...], list[Row]] = {}
    for row in rows:
        parts.setdefault(tuple([row.labels.get(label, "") for label in keep]), []).append(row)
    return parts


def _sum(values: Iterable[float]) -> float:
    try:
        return math.fsum(values)
    except OverflowError:
        return math.inf


def _sample(value: float, at: float, series: int, context: Context, shared: bool) -> Sample | Missing:
    if not math.isfinite(value):
        return Missing(Reason.NOT_A_NUMBER, f"{context.series} adds up to {value}")
    return Sample(value, at, context.window_s, series, shared)


def _problem(row: Row, context: Context) -> Reason | None:
    value = row.value
    if not math.isfinite(value):
        return Reason.NOT_A_NUMBER
    if context.blanks and is_blank(value):
        return Reason.BLANK
    if not 0.0 <= row.at <= context.now + MAX_AHEAD_S:
        return Reason.SOURCE_UNREADABLE
    return None


def _detail(problem: Reason, row: Row, bad: int, of: int, context: Context) -> str:
    share = f" in {bad} of {of} series" if of > 1 else ""
    if problem is Reason.SOURCE_UNREADABLE:
        return f"{context.series} is dated {row.at - context.now:+.0f}s from now{share}: check the clocks"
    return f"{context.series} is {row.value:.16g}{share}"


def _facts(rows: Sequence[Row], context: Context) -> Sequence[Row]:
    """Return *rows* with copies of one fact put together: the largest number among them stands for all."""
    replicated = context.reducer.replicated
    if not replicated or _are_distinct(rows, replicated):
        return rows
    by_fact: dict[frozenset[tuple[str, str]], dict[tuple[str, ...], list[Row]]] = {}
    for row in rows:
        rest = dict(row.labels)
        copy = tuple([rest.pop(label, "") for label in replicated])
        by_fact.setdefault(frozenset(rest.items()), {}).setdefault(copy, []).append(row)
    facts: list[Row] = []
    for copies in by_fact.values():
        if len(copies) == 1:
            facts += next(iter(copies.values()))
        else:
            facts += _largest(list(copies.values()), context)
    return facts


def _are_distinct(rows: Sequence[Row], replicated: Sequence[str]) -> bool:
    """Return whether *rows* are certainly no copies: one label, such as a GPU's index, already tells all of them apart.

    Most often one does, and it spares the comparison of whole label sets.
    """
    for label in rows[0].labels:
        if label not in replicated and len({row.labels.get(label) for row in rows}) == len(rows):
            return True
    return not any(label in row.labels for row in rows for label in replicated)


def _largest(copies: Sequence[Sequence[Row]], context: Context) -> Sequence[Row]:
    """Return the copy with the largest total of numbers.

    A copy is one row, unless the source has dropped the labels that tell its rows apart: then they are several facts, and are
    counted as such.
    """

    def total(copy: Sequence[Row]) -> tuple[int, float, float]:
        numbers = [row for row in copy if _problem(row, context) is None]
        return len(numbers), _sum(row.value for row in numbers), min((row.at for row in numbers), default=0.0)

    return max(copies, key=total)


def _difference(rows: Sequence[Row], context: Context) -> str:
    labels: set[str] = {name for row in rows for name in row.labels}
    differing = sorted(name for name in labels if len({row.labels.get(name, "") for row in rows}) > 1)
    told = f", which differ in {', '.join(differing[:4])}" if differing else ""
    return f"{len(rows)} series of {context.series} where the rule expects one{told}: add reduce to the rule"
