"""What each part of the engine is worth: the same series without it.

A part that learns is worth what its absence costs on ordinary days; one that guards against something, what its absence costs when
that happens. Ordinary days are the last eight of each series; of the slow models' refits, those after a refit in the middle of
them.
"""

import functools
from collections.abc import Sequence
from dataclasses import dataclass

from benchmarks import forecast_accuracy, forecast_shocks
from benchmarks.claims import say
from benchmarks.forecast_series import DAY_S, Group
from benchmarks.forecast_shocks import Shock
from forecasting import backtest, losses
from forecasting.backtest import Scores
from forecasting.engine import Engine, Part
from forecasting.forecast import Array, Forecaster, Spec, Target
from forecasting.models import adoption
from forecasting.models.history import History
from forecasting.series import Series
from forecasting.tuning import Tuning

_DAYS = 8
_REFIT_AT = 0.5
_GUARDS = frozenset({Part.GUARD, Part.SHIFT, Part.HOLD})


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """An engine without something, beside the whole one."""

    name: str
    p90: Array
    """Pinball loss of the p90 by that of the whole engine, shape (series, horizons): above 1, the part is worth it."""
    mae: Array
    """The same of the median's absolute error."""
    shocks: dict[Shock, float]
    """The first hour's error by the last value's, where the part is to help with that; the whole engine's has the name "all"."""


def measure(group: Group) -> list[Line]:
    """Return a line for the whole engine, and one for each part without it."""
    loads = [load.last(_DAYS * DAY_S // load.step_s) for load in group.loads.values()]
    spec = group.spec(Target.AT)
    whole = backtest.run(Engine, loads, spec).scores()
    lines = [_line("all", whole, whole, _shocks(group, frozenset()))]
    for part in Part:
        if part is Part.AUTOREGRESSION:  # it has nothing to say until a refit gives it coefficients
            continue
        say(f"without {part} …")
        without = frozenset({part})
        scores = backtest.run(functools.partial(_engine, without), loads, spec).scores()
        lines.append(_line(f"without {part}", scores, whole, _shocks(group, without) if part in _GUARDS else {}))
    return lines


def lane(group: Group) -> tuple[Line, list[str]]:
    """Return what it costs to go without the slow models' refits, and what they set for each series."""
    spec = group.spec(Target.AT)
    loads = [load.last(2 * _DAYS * DAY_S // load.step_s) for load in group.loads.values()]
    middle = [int(_REFIT_AT * len(load)) for load in loads]
    say(f"refitting {len(loads)} series …")
    histories = [_history(*each, spec) for each in zip(group.loads, loads, middle, strict=True)]
    verdicts = adoption.refit(histories, spec)
    tunings = [verdict.tuning for verdict in verdicts]
    told = [f"{name}: {verdict.why}" for name, verdict in zip(group.loads, verdicts, strict=True)]
    plain = backtest.run(Engine, loads, spec)
    tuned = backtest.run(functools.partial(_Tuned, loads, middle, tunings), loads, spec)
    after = plain.since_start(0)
    for row, until in enumerate(middle):
        after[: plain.first[row] + until, row] = False
    return _line("without refits", plain.scores(after), tuned.scores(after), {}), told


class _Tuned:
    """An engine that is told what was found for each row when that row comes to the refit."""

    def __init__(self, loads: Sequence[Series], middle: Sequence[int], tunings: Sequence[Tuning], rows: int, spec: Spec) -> None:
        self._engine: Engine = Engine(rows, spec)
        _, _, first = backtest.beside(loads, spec)
        self._tunings: dict[int, list[tuple[int, Tuning]]] = {}
        for row, (place, until) in enumerate(zip(first, middle, strict=True)):
            self._tunings.setdefault(int(place) + until, []).append((row, tunings[row]))
        self._seen = 0

    @property
    def spec(self) -> Spec:
        """What it forecasts."""
        return self._engine.spec

    @property
    def rows(self) -> int:
        """How many series it has."""
        return self._engine.rows

    def observe(self, values: Array, slot: int | None = None) -> None:
        """Take in a bucket, after what is due to be told."""
        for row, tuning in self._tunings.get(self._seen, ()):
            self._engine.tune(row, tuning)
        self._seen += 1
        self._engine.observe(values, slot)

    def quantiles(self, horizons: Sequence[float] | None = None, q: Sequence[float] | None = None) -> Array:
        """Return the engine's."""
        return self._engine.quantiles(horizons, q)


def _history(name: str, load: Series, until: int, spec: Spec) -> History:
    """Return the first *until* buckets, moved by whole days so that those of all series end on one day."""
    slot = (int(load.slots[0]) + until) % spec.day + 2 * _DAYS * spec.day - until
    return History(name=name, slot=slot, values=load.values[:until], tuning=Tuning())


def _engine(without: frozenset[Part], rows: int, spec: Spec) -> Forecaster:
    return Engine(rows, spec, without=without)


def _shocks(group: Group, without: frozenset[Part]) -> dict[Shock, float]:
    found = forecast_shocks.measure(group, functools.partial(_engine, without), (Shock.SPIKE, Shock.LEVEL_UP, Shock.LEVEL_DOWN))
    return {shock: losses.geometric_mean(ratios) for shock, ratios in found.items()}


def _line(name: str, scores: Scores, whole: Scores, shocks: dict[Shock, float]) -> Line:
    return Line(name=name, p90=forecast_accuracy.p90_ratio(scores, whole), mae=losses.ratio(scores.mae, whole.mae), shocks=shocks)
