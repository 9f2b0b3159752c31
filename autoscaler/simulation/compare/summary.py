"""What is shown of a comparison, for a terminal and for a page alike: a line for each entry, and who wins in plain words."""

import enum
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from autoscaler.simulation.compare import claims, statistics, tuning
from autoscaler.simulation.compare.entries import Setting
from autoscaler.simulation.compare.statistics import Estimate, Reading
from autoscaler.simulation.compare.study import Judged, Row
from autoscaler.simulation.outcome import Outcome

#: Said wherever results are shown.
LABEL = "results of a simulation"
IN_TIME = f"{tuning.ATTAINED:.0%} in time"

_SEED = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """What an entry came to on a trace: means over its seeds at its own tightness, and what its front says."""

    name: str
    about: str
    settings: tuple[tuple[str, Setting], ...]
    """Those that are not its defaults."""
    seeds: int
    attainment_ratio: float
    late: float
    failed: float
    gpu_hours: float
    at_limit: Reading
    """GPU-hours at which enough requests are answered in time."""
    over_optimum: float | None
    """So much more than the clairvoyant plan takes for that, as a share."""
    less_than_hpa: Estimate | None
    """GPU-hours less than tuned HPA's at its own tightness, over the seeds that both have."""
    utilization_ratio: float
    starts: float
    reversals: float
    first_token_p99_s: float


def lines(judged: Judged) -> list[Line]:
    """Return a line for each entry of a trace, in the order of the plan."""
    best, yardstick = judged.row(claims.OPTIMUM), judged.row(claims.HPA_TUNED)
    least = None if best is None else statistics.gpu_hours_at(best.grid.points(), claims.ALLOWED)
    return [_line(row, least, yardstick) for row in judged.rows]


def _line(row: Row, least: Reading | None, yardstick: Row | None) -> Line:
    at_limit = statistics.gpu_hours_at(row.grid.points(), claims.ALLOWED)
    over = at_limit.value / least.value - 1.0 if least is not None and least.known and at_limit.known else None
    family = row.entry.family
    return Line(
        name=row.name,
        about=family.about,
        settings=tuple((knob, value) for knob, value in row.entry.settings if family.defaults[knob] != value),
        seeds=len(row.itself),
        attainment_ratio=row.mean(lambda outcome: outcome.attainment_ratio),
        late=row.mean(lambda outcome: outcome.late),
        failed=row.mean(lambda outcome: outcome.failed),
        gpu_hours=row.mean(_gpu_hours),
        at_limit=at_limit,
        over_optimum=over,
        less_than_hpa=None if yardstick is None or yardstick is row else _less(yardstick, row, _gpu_hours),
        utilization_ratio=row.mean(lambda outcome: outcome.utilization_ratio),
        starts=row.mean(lambda outcome: outcome.starts),
        reversals=row.mean(lambda outcome: outcome.reversals),
        first_token_p99_s=row.mean(lambda outcome: outcome.first_token_p99_s),
    )


def _less(theirs: Row, ours: Row, measure: Callable[[Outcome], float]) -> Estimate:
    """Return by how much *ours* is below *theirs*."""
    pairs = list(zip(theirs.itself, ours.itself, strict=False))  # the first seeds are the same ones
    return statistics.mean_difference([measure(one) for one, _ in pairs], [measure(other) for _, other in pairs], seed=_SEED)


def _gpu_hours(outcome: Outcome) -> float:
    return outcome.gpu_hours


class Result(enum.StrEnum):
    """How one entry does against another on a trace."""

    WINS = "wins"
    LOSES = "loses"
    EVEN = "even"
    """The interval has zero in it."""
    UNKNOWN = "not known"


@dataclass(frozen=True, slots=True)
class Verdict:
    """How *ours* does against *theirs* on one trace, with the reason in words."""

    ours: str
    theirs: str
    result: Result
    why: str

    def __str__(self) -> str:
        return f"{self.ours} against {self.theirs}: {self.result}; {self.why}"


def verdicts(judged: Judged, ours: str = claims.OURS_TUNED) -> list[Verdict]:
    """Return how *ours* does against everybody who is tuned, and against what cannot be; none where it did not take part."""
    mine = judged.row(ours)
    if mine is None:
        return []
    family = mine.entry.family
    rivals = [
        row
        for row in judged.rows
        if row.entry.family is not family
        and row.entry.family.ablates is None
        and not row.entry.family.clairvoyant
        and (row.entry.tuning is mine.entry.tuning or not row.entry.family.tunable)
    ]
    return [_verdict(judged, mine, row) for row in rivals]


def _verdict(judged: Judged, ours: Row, theirs: Row) -> Verdict:
    block = claims.grids(judged, (ours.name, theirs.name))
    mine, other = (statistics.gpu_hours_at(grid.points(), claims.ALLOWED) for grid in block)
    if mine.known and other.known:
        return _compared(ours, theirs, statistics.measured(block, claims.saved, seed=_SEED))
    if mine.known:
        return Verdict(ours.name, theirs.name, Result.WINS, f"{theirs.name} never has {IN_TIME}")
    if other.known:
        return Verdict(ours.name, theirs.name, Result.LOSES, f"{ours.name} never has {IN_TIME}")
    return _for_the_same(judged, ours, theirs)


def _for_the_same(judged: Judged, ours: Row, theirs: Row) -> Verdict:
    """Return who misses less for the GPU-hours of *theirs*: where neither reaches the limit, that is what can be said."""
    cut = statistics.measured(claims.grids(judged, (ours.name, theirs.name), single=True), claims.cut, seed=_SEED)
    neither = f"neither ever has {IN_TIME}"
    if cut is None:
        return Verdict(ours.name, theirs.name, Result.UNKNOWN, f"{neither}, and {ours.name} cannot be had for as few GPU-hours")
    way = "fewer" if cut.value >= 0.0 else "more"
    words = f"{neither}; for the same GPU-hours {abs(cut.value):.1%} {way} missed requests"
    return Verdict(ours.name, theirs.name, _result(cut), f"{words}{_within(cut)}")


def _compared(ours: Row, theirs: Row, saved: Estimate | None) -> Verdict:
    if saved is None:
        return Verdict(ours.name, theirs.name, Result.UNKNOWN, "there is nothing to compare")
    way = "fewer" if saved.value >= 0.0 else "more"
    words = f"{abs(saved.value):.1%} {way} GPU-hours for {IN_TIME}"
    return Verdict(ours.name, theirs.name, _result(saved), f"{words}{_within(saved)}")


def _result(better: Estimate) -> Result:
    if better.interval is None:
        return Result.UNKNOWN
    return Result.WINS if better.interval.low > 0.0 else Result.LOSES if better.interval.high < 0.0 else Result.EVEN


def _within(better: Estimate) -> str:
    """Return the interval in words, the same way round as the value is told."""
    if better.interval is None:
        return ", of one seed"
    low, high = better.interval.low, better.interval.high
    if better.value < 0.0:
        low, high = -high, -low
    return f" ({low:.1%} to {high:.1%})"


def counted(all_verdicts: Sequence[Verdict]) -> str:
    """Return how often each result came, in words."""
    counts = {result: sum(verdict.result is result for verdict in all_verdicts) for result in Result}
    return ", ".join(f"{result} {count}" for result, count in counts.items() if count)
