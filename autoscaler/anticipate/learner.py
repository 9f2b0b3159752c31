"""The part that computes: rows of a forecaster, and what is told of them. It runs in a thread, one call at a time."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from autoscaler.decision.model import Forecast
from autoscaler.outlook import Outlook
from forecasting.engine import Source
from forecasting.forecast import Array, Spec
from forecasting.gate import Verdict
from forecasting.gated import Gated, at_each
from forecasting.models.history import History
from forecasting.tuning import Tuning

_STALE = "nothing has been seen of its load for more than half an hour"


@dataclass(frozen=True, slots=True, kw_only=True)
class Wants:
    """What is wanted of each row: the horizon in buckets, the quantile to serve at, and that of the warm pool. Shape (rows,)."""

    horizons: NDArray[np.int64]
    quantiles: Array
    pools: Array

    def of(self, rows: Sequence[int]) -> "Wants":
        """Return what is wanted of *rows*."""
        at = list(rows)
        return Wants(horizons=self.horizons[at], quantiles=self.quantiles[at], pools=self.pools[at])


@dataclass(frozen=True, slots=True, kw_only=True)
class Lesson:
    """What there is to learn: rows to forget first, then closed buckets, each with the load of the rows that were seen in it."""

    wants: Wants
    forget: Mapping[int, bool] = field(default_factory=dict)
    """Rows, and whether what their days look like is kept."""
    buckets: Sequence[tuple[int, Mapping[int, float]]] = ()

    @property
    def rows(self) -> int:
        """How many rows there are to be."""
        return len(self.wants.horizons)


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """What is expected of each row from the last closed bucket on."""

    slot: int | None
    outlooks: Sequence[Outlook]


class Learner:
    """A `Gated` forecaster whose rows come and go."""

    def __init__(self, spec: Spec, gated: Gated | None = None) -> None:
        """Begin with *gated*, or with no rows."""
        self.spec = spec
        self.gated = gated if gated is not None else Gated(0, spec)

    def learn(self, lesson: Lesson) -> Told:
        """Take in *lesson* and return what follows from it."""
        self._prepare(lesson)
        for slot, loads in lesson.buckets:
            if self.gated.slot is None or slot > self.gated.slot:
                values = np.full(self.gated.rows, np.nan)
                values[list(loads)] = list(loads.values())
                self.observe(slot, values, lesson.wants)
        return self.told(lesson.wants)

    def take(self, other: "Learner", rows: Sequence[int], lesson: Lesson) -> Told:
        """Take in *lesson*, replace *rows* by all those of *other*, and return what follows."""
        self._prepare(lesson)
        self.gated.take(other.gated, list(rows))
        return self.told(lesson.wants)

    def histories(self, rows: Mapping[str, tuple[int, Tuning]]) -> list[History]:
        """Return what is known of the last week of *rows*, by their names, with what they run with."""
        told = []
        for name, (row, tuning) in rows.items():
            slot, values = self.gated.history(row)
            told.append(History(name=name, slot=slot, values=values, tuning=tuning))
        return told

    def tune(self, tunings: Mapping[int, Tuning]) -> None:
        """Have rows run with what was found for them."""
        for row, tuning in tunings.items():
            self.gated.engine.tune(row, tuning)

    def observe(self, slot: int, values: Array, wants: Wants) -> None:
        """Take in one closed bucket; NaN where a row was not seen."""
        self.gated.observe(values, slot, horizons=wants.horizons, quantiles=wants.quantiles)

    def told(self, wants: Wants) -> Told:
        """Return what is expected of each row, as *wants* has it."""
        gated, spec = self.gated, self.spec
        if gated.slot is None or not gated.rows:
            return Told(slot=gated.slot, outlooks=[Outlook()] * gated.rows)
        serving = at_each(gated.engine, wants.horizons, wants.quantiles).tolist()
        pool = at_each(gated.engine, wants.horizons, wants.pools).tolist()
        ahead, which = np.unique(wants.horizons, return_inverse=True)
        quantiles = gated.engine.quantiles(ahead.tolist(), spec.quantiles)[np.arange(gated.rows), which].tolist()
        realised = gated.gate.realised(wants.horizons).tolist()
        gate = gated.gate
        # What is held for so long is no forecast: whoever has other signals is to go by those.
        stale = (gated.engine.source == Source.STALE).any(axis=1).tolist()
        judged = zip(gate.ratio.tolist(), gate.coverage.tolist(), gate.evaluations.tolist(), gate.open.tolist(), strict=True)
        outlooks = []
        for row, (ratio, coverage, evaluations, is_open) in enumerate(judged):
            why = gate.why(row)
            known = math.isfinite(serving[row]) and not stale[row]
            outlooks.append(
                Outlook(
                    forecast=Forecast(
                        serving=serving[row],
                        pool=pool[row],
                        horizon_s=float(wants.horizons[row]) * spec.step_s,
                        gate_open=is_open,
                        why=why,
                    )
                    if known
                    else None,
                    quantiles=tuple(zip(spec.quantiles, quantiles[row], strict=True)) if known else (),
                    realised=_known(realised[row]),
                    learning=gate.verdict(row) is Verdict.LEARNING,
                    ratio=_known(ratio),
                    coverage=_known(coverage),
                    evaluations=evaluations,
                    why=why if known else _STALE if stale[row] else Outlook().why,
                )
            )
        return Told(slot=gated.slot, outlooks=outlooks)

    def _prepare(self, lesson: Lesson) -> None:
        """Have the rows that there are to be, without what is to be forgotten."""
        if self.gated.rows != lesson.rows:
            self.gated.resize(lesson.rows)
        for keeps in (False, True):
            rows = [row for row, keep in lesson.forget.items() if keep is keeps]
            if rows:
                self.gated.reset(rows, keep_profile=keeps)


def _known(value: float) -> float | None:
    return value if math.isfinite(value) else None
