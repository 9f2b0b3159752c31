"""Whether a forecast has lately been worth more than no forecast at all: each series by its own record.

A forecast is only acted on while its gate is open. What it has to beat is not the last value alone, which on white noise any
average beats, but the best of several purely reactive forecasters with the same intervals (`forecasting.reactive`).

Losses and coverage are averaged over a day, of long horizons longer, with exponential weights. Skill is earned on the slopes of a
day: a record of two hundred minutes would forget by midnight what the morning had shown, and open when the next one is half over.
And neighbouring forecasts share most of the future that they are judged by: two hundred of a 30-bucket maximum are worth seven, and
the coverage of seven says nothing. What goes wrong at once is caught at once, by the engine's own alarm and by the losses of the
last hour.
"""

import enum
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from forecasting import intake, state
from forecasting.errors import InputError, StateError
from forecasting.forecast import Array, Mask, Spec

_FUTURES = 100  # that do not overlap are averaged over at the least


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """When a gate opens and when it shuts: apart, or it would flap with every evaluation."""

    least: int = 200
    """So many forecasts have to come due before it opens."""
    caution: float = 40.0
    """It opens by the record as if so many more forecasts, of futures that do not overlap, had been no better than a reference."""
    opens_below: float = 0.95
    """It opens where the forecast's loss is less than so much of the best reference's …"""
    shuts_above: float = 1.0
    """… and shuts where it is more than so much of it."""
    opens_undercovered: float = 0.05
    """It opens where the share of values above the forecast is at most so much more than the quantile allows …"""
    shuts_undercovered: float = 0.1
    """… and shuts where it is more than so much more. Where it is less the forecast is too wide, which its loss tells."""
    opens_failing: float = 0.25
    """It opens where in the last hour it has lost at most so much more than the best reference, in units of that one's day …"""
    shuts_failing: float = 1.0
    """… and shuts where it has lost more than so much more."""
    lately: float = 30.0
    """The memory of that hour, in evaluations."""

    def __post_init__(self) -> None:
        if self.least < 1 or self.lately <= 0 or self.caution < 0:
            raise InputError(
                f"least {self.least} must be 1 or more, lately {self.lately} above 0, caution {self.caution} not below"
            )
        for name, opens, shuts in (
            ("loss", self.opens_below, self.shuts_above),
            ("undercoverage", self.opens_undercovered, self.shuts_undercovered),
            ("failure", self.opens_failing, self.shuts_failing),
        ):
            if not 0.0 <= opens <= shuts:
                raise InputError(f"the {name} that opens, {opens}, must not be above the {name} that shuts, {shuts}")


class Verdict(enum.StrEnum):
    """What a gate makes of a forecast."""

    LEARNING = "Learning"
    """Too few of its forecasts have come due."""
    SHIFTED = "Shifted"
    """The level of the series has just changed: what was learned of it does not hold."""
    FAILING = "Failing"
    """In the last hour it has been far worse than the best reactive forecast."""
    UNDERCOVERED = "Undercovered"
    """More is realised above the quantile than it allows."""
    NO_BETTER = "NoBetter"
    """The best reactive forecast does about as well."""
    OPEN = "Open"


class _Record:
    """What is known of each series; the last axis of each array is the row, and the first forecaster is the one that is judged."""

    STATE: ClassVar[tuple[str, ...]] = (
        *("open", "shifted", "count", "quantile", "excess", "daily", "lately"),
        *("values", "horizons", "levels", "issued"),
    )

    def __init__(self, rows: int, forecasters: int, places: int) -> None:
        self.open = np.zeros(rows, dtype=np.bool_)
        self.shifted = np.zeros(rows, dtype=np.bool_)
        self.count = np.zeros(rows, dtype=np.int64)
        self.quantile = np.full(rows, np.nan, dtype=np.float32)  # that is asked for
        self.excess = np.zeros(rows, dtype=np.float32)  # coverage less the quantile, a mean
        self.daily = np.zeros((forecasters, rows), dtype=np.float32)  # losses, means
        self.lately = np.zeros((forecasters, rows), dtype=np.float32)
        # Rings by the bucket's number: values, and what was issued for the buckets up to and with it.
        self.values = np.full((places, rows), np.nan, dtype=np.float32)
        self.horizons = np.zeros((places, rows), dtype=np.int16)  # 0: nothing was
        self.levels = np.full((places, rows), np.nan, dtype=np.float32)
        self.issued = np.full((forecasters, places, rows), np.nan, dtype=np.float32)


class Gate:
    """The gates of many series, one row each.

    In each bucket `realise` takes its value and judges what was issued for it; `issue` then takes what is forecast. Each forecast
    is judged by the horizon and quantile that it was issued for, so these may change without loss of the record. The target is the
    maximum: what is issued for *h* buckets is compared with the largest value of the next *h*, if half of them are known.

    With the pinball loss L of quantile q (Koenker and Bassett, 1978), ``L(y, x) = max(q·(y − x), (q − 1)·(y − x))``, the *ratio* is
    that of the means ``L(y, forecast) / min over references of L(y, reference)`` over about a day.
    """

    def __init__(self, rows: int, spec: Spec | None = None, *, references: int = 3, rules: Rules | None = None) -> None:
        """Begin with *rows* series without a record, and so many *references*."""
        if rows < 0 or references < 1:
            raise InputError(f"rows {rows} must be 0 or more and references {references} 1 or more")
        self._spec = spec or Spec()
        self._rules = rules or Rules()
        self._forecasters = 1 + references
        self._places = self._spec.horizons[-1] + 1
        self._slot: int | None = None
        self._record = self._fresh(rows)

    @property
    def rows(self) -> int:
        """How many series it has."""
        return len(self._record.open)

    @property
    def kind(self) -> tuple[Spec, Rules, int]:
        """What it judges, by which rules, and with how many references."""
        return self._spec, self._rules, self._forecasters - 1

    @property
    def slot(self) -> int | None:
        """The last bucket that was taken in."""
        return self._slot

    @property
    def open(self) -> Mask:
        """Which forecasts may be used, shape (rows,)."""
        return self._record.open.copy()

    @property
    def evaluations(self) -> NDArray[np.int64]:
        """How many forecasts of each series have come due, shape (rows,)."""
        return self._record.count.copy()

    @property
    def ratio(self) -> Array:
        """The forecast's loss over that of the best reference, shape (rows,): NaN without any evaluation, 1 where both are 0."""
        return np.where(self._record.count > 0, _ratio(self._record.daily), np.nan)

    @property
    def coverage(self) -> Array:
        """The share of realised values that were at most the forecast, 0 to 1, shape (rows,); NaN without any evaluation."""
        return np.where(self._record.count > 0, self._record.quantile + self._record.excess, np.nan)

    def realised(self, horizons: NDArray[np.integer]) -> Array:
        """Return the largest of the last *horizons* buckets of each row, shape (rows,); NaN where fewer than half are known."""
        if self._slot is None:
            return np.full(self.rows, np.nan, dtype=np.float32)
        values = self._record.values
        ages = (self._slot - np.arange(self._places)) % self._places
        inside = (ages[:, None] < horizons) & np.isfinite(values)
        largest = np.where(inside, values, 0.0).max(axis=0)
        realised: Array = np.where((horizons > 0) & (2 * inside.sum(axis=0) >= horizons), largest, np.nan)
        return realised

    def verdict(self, row: int) -> Verdict:
        """Return what the gate of *row* makes of its forecast."""
        record, rules = self._record, self._rules
        if record.shifted[row]:
            return Verdict.SHIFTED
        if record.open[row]:
            return Verdict.OPEN
        if record.count[row] < rules.least:
            return Verdict.LEARNING
        if _failing(record.daily[:, [row]], record.lately[:, [row]])[0] > rules.opens_failing:
            return Verdict.FAILING
        return Verdict.UNDERCOVERED if record.excess[row] < -rules.opens_undercovered else Verdict.NO_BETTER

    def why(self, row: int) -> str:
        """Return why the gate of *row* is open or shut, in a sentence for people."""
        record, rules = self._record, self._rules
        loses = f"its loss is {_ratio(record.daily[:, [row]])[0]:.2f} of the best reactive forecast's"
        asked = record.quantile[row]
        covers = f"it covers {asked + record.excess[row]:.0%} where {asked:.0%} is asked for"
        match self.verdict(row):
            case Verdict.LEARNING:
                return f"it learns: {record.count[row]} of {rules.least} forecasts have come due"
            case Verdict.SHIFTED:
                return "the level has just changed, and what was learned of it does not hold"
            case Verdict.FAILING:
                return "it has been far worse than a reactive forecast in the last hour"
            case Verdict.UNDERCOVERED:
                return covers
            case Verdict.NO_BETTER:
                return f"{loses}, and below {rules.opens_below:g} it opens"
            case Verdict.OPEN:
                return f"{loses}, and {covers}"

    def realise(self, values: Array, slot: int | None = None) -> None:
        """Take in bucket *slot*, by default the next one, and judge what was issued for the buckets up to it.

        *values* has shape (rows,); NaN is a gap, and so are buckets that are left out. Raises `InputError` for another shape, and
        for a bucket that was taken in before.
        """
        loads = intake.loads(values, self.rows)
        slot, missing = intake.left_out(self._slot, slot, longest=self._places)
        record = self._record
        for one in missing:
            record.values[one % self._places] = np.nan
            record.horizons[one % self._places] = 0
        self._slot, place = slot, slot % self._places
        record.values[place] = loads
        realised = self.realised(record.horizons[place])
        due = np.flatnonzero(np.isfinite(realised))
        if due.size:
            self._judge(due, realised[due], place)
            self._decide(due, record.horizons[place, due])
        record.horizons[place] = 0

    def issue(
        self, forecast: Array, references: Array, *, horizons: NDArray[np.integer], quantiles: Array, shifted: Mask | None = None
    ) -> None:
        """Take what is forecast from the last bucket on; the gates of *shifted* rows shut at once.

        *forecast*, *horizons* (whole buckets), *quantiles* and *shifted* have shape (rows,), *references* (references, rows). What
        is not finite is not judged. Raises `InputError` for another shape, for a horizon that is too long, and before any bucket.
        """
        rows, longest, record = self.rows, self._places - 1, self._record
        if self._slot is None:
            raise InputError("a forecast is issued from a bucket: call realise first")
        if references.shape != (self._forecasters - 1, rows):
            raise InputError(f"references have shape {references.shape} and must have {(self._forecasters - 1, rows)}")
        for name, one in (("forecast", forecast), ("horizons", horizons), ("quantiles", quantiles)):
            if one.shape != (rows,):
                raise InputError(f"{name} has shape {one.shape} and must have ({rows},): one for each row")
        if rows and not (horizons.min() >= 1 and horizons.max() <= longest):
            raise InputError(f"horizons from {horizons.min()} to {horizons.max()} must be 1 to {longest} buckets")
        issued = np.concatenate([forecast[None, :], references])
        known = np.flatnonzero(np.isfinite(issued).all(axis=0))
        places = (self._slot + horizons[known]) % self._places
        record.issued[:, places, known] = issued[:, known]
        record.horizons[places, known] = horizons[known]
        record.levels[places, known] = quantiles[known]
        record.quantile[:] = quantiles
        record.shifted[:] = False if shifted is None else shifted
        record.open &= ~record.shifted

    def advance(self, slot: int) -> None:
        """Take all buckets up to and with *slot* as gaps; none when it was taken in before."""
        if self._slot is not None and slot > self._slot:
            self.realise(np.full(self.rows, np.nan), slot)

    def reset(self, rows: Sequence[int] | NDArray[np.intp]) -> None:
        """Forget the records of *rows*."""
        state.replace(self._parts(), {"record": self._fresh(1)}, state.places(rows, self.rows))

    def resize(self, rows: int) -> None:
        """Keep the first *rows* rows; those beyond what there was have no record."""
        fresh = self._fresh(rows)
        state.resize(self._parts(), {"record": fresh})
        self._record = fresh

    def take(self, other: "Gate", at: Sequence[int] | NDArray[np.intp]) -> None:
        """Replace the rows *at* by all rows of *other*, which has come to the same bucket or an earlier one.

        Raises `InputError` when *other* is ahead, or differs in specification, rules, references or number of rows.
        """
        places = state.places(at, self.rows)
        if (*other.kind, other.rows) != (*self.kind, len(places)):
            raise InputError(f"{other.rows} rows cannot replace {len(places)}: number, specification and rules must be the same")
        self._slot = state.meet(self._slot, other)
        state.replace(self._parts(), other._parts(), places)  # noqa: SLF001 - it is a gate, too

    def dump(self) -> bytes:
        """Return all records, for `load`."""
        facts = {"rows": self.rows, "slot": self._slot, "references": self._forecasters - 1}
        return state.dump(self._parts(), self._spec, facts)

    @classmethod
    def load(cls, data: bytes, spec: Spec | None = None, *, rules: Rules | None = None) -> Self:
        """Return what `dump` saved. Raises `StateError` when it is damaged, of another version or made for another *spec*."""
        spec = spec or Spec()
        facts = state.facts(data, spec)
        if not {"rows", "slot", "references"} <= facts.keys():
            raise StateError("the saved state is not that of a gate: learn from history again")
        gate = cls(facts["rows"], spec, references=facts["references"], rules=rules)
        state.restore(data, spec, gate._parts())
        gate._slot = facts["slot"]
        return gate

    # ── inside ───────────────────────────────────────────────────────────────────────────────────────────────────────────────

    def _parts(self) -> dict[str, state.Part]:
        return {"record": self._record}

    def _fresh(self, rows: int) -> _Record:
        return _Record(rows, self._forecasters, self._places)

    def _judge(self, rows: NDArray[np.intp], realised: Array, place: int) -> None:
        """Enter what was issued for *place* into the records of *rows*, where the largest value was *realised*."""
        record, rules = self._record, self._rules
        issued, level = record.issued[:, place, rows], record.levels[place, rows]
        losses = np.maximum(level * (realised - issued), (level - 1.0) * (realised - issued))
        count = record.count[rows] + 1
        record.count[rows] = count
        # Plain means first, exponential ones once there are as many as their memory.
        share = (1.0 / np.minimum(count, self._memory(record.horizons[place, rows]))).astype(np.float32)
        record.daily[:, rows] += share * (losses - record.daily[:, rows])
        record.excess[rows] += share * ((realised <= issued[0]) - level - record.excess[rows])
        share = (1.0 / np.minimum(count, rules.lately)).astype(np.float32)
        record.lately[:, rows] += share * (losses - record.lately[:, rows])

    def _memory(self, horizons: NDArray[np.integer]) -> NDArray[np.int64]:
        """Return over how many forecasts for *horizons* means are taken."""
        return np.maximum(max(self._spec.day, self._rules.least), _FUTURES * horizons.astype(np.int64))

    def _decide(self, rows: NDArray[np.intp], horizons: NDArray[np.integer]) -> None:
        """Open and shut the gates of *rows*, whose last forecast was for *horizons*."""
        record, rules = self._record, self._rules
        daily, excess, count = record.daily[:, rows], record.excess[rows], record.count[rows]
        ratio, failing = _ratio(daily), _failing(daily, record.lately[:, rows])
        # Of an h-bucket maximum h forecasts in a row are worth one: chance alone would open the gates of long horizons.
        worth = np.minimum(count, self._memory(horizons)) / horizons
        cautious = 1.0 - (1.0 - ratio) * worth / (worth + rules.caution)
        opens = (count >= rules.least) & ~record.shifted[rows] & (cautious < rules.opens_below)
        opens &= (excess >= -rules.opens_undercovered) & (failing <= rules.opens_failing)
        shuts = (ratio > rules.shuts_above) | (excess < -rules.shuts_undercovered) | (failing > rules.shuts_failing)
        record.open[rows] = (opens | record.open[rows]) & ~shuts


def _ratio(losses: Array) -> Array:
    """Return the first of *losses*, shape (forecasters, rows), over the least of the others; 1 where both are 0."""
    own, best = losses[0].astype(np.float64), losses[1:].min(axis=0).astype(np.float64)
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(own == best, 1.0, own / best)


def _failing(daily: Array, lately: Array) -> Array:
    """Return by how much the first has lost more *lately* than the best of the others, in units of that one's *daily* loss."""
    more = np.maximum(0.0, lately[0] - lately[1:].min(axis=0)).astype(np.float64)
    usual = daily[1:].min(axis=0)
    failing: Array = np.divide(more, usual, out=np.where(more > 0, np.inf, 0.0), where=usual > 0)
    return failing
