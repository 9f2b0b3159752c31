"""How much better the engine's forecasts are than the last value's, which of them hold what they promise, and who does better.

The reference is the last value with the same quantile tracker: a well-calibrated autoscaler that only reacts. Every bucket after a
series' first day is an origin. A ratio is the geometric mean over the series, with the 90 % interval of a bootstrap over them.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from benchmarks import forecast_peers
from benchmarks.claims import say
from benchmarks.forecast_series import MINUTE_S, Group
from forecasting import backtest, losses
from forecasting.backtest import Issued, Scores
from forecasting.engine import Engine
from forecasting.forecast import Array, Mask, Spec, Target
from forecasting.reactive import Reactive
from forecasting.series import Series

P90 = 0.9
_RESAMPLES, _INTERVAL = 1000, (0.05, 0.95)
_PEERS_FROM_DAY = 4
_COLD_MINUTES = (10, 120)
_COLD_STARTS = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Compared:
    """The engine beside the reference on one group of series, over the same origins."""

    group: Group
    spec: Spec
    engine: Scores
    reference: Scores
    last: Scores

    @property
    def p90(self) -> Array:
        """The pinball loss of the p90 by that of the reference, shape (series, horizons)."""
        return p90_ratio(self.engine, self.reference)

    @property
    def mae(self) -> Array:
        """The absolute error of the median by that of the last value itself, shape (series, horizons)."""
        return losses.ratio(self.engine.mae, self.last.mae)

    @property
    def crps(self) -> Array:
        """CRPS by that of the reference, shape (series, horizons)."""
        return losses.ratio(self.engine.crps, self.reference.crps)

    @property
    def coverage(self) -> Array:
        """Coverage of the p90, shape (series, horizons)."""
        return self.engine.coverage[:, :, _place(self.spec)]

    @property
    def worst_hour(self) -> Array:
        """The least coverage of the p90 in an hour of the day, shape (series, horizons)."""
        return self.engine.worst_hour[:, :, _place(self.spec)]


@dataclass(frozen=True, slots=True, kw_only=True)
class Rival:
    """A library's model beside the reference on some origins."""

    name: str
    p90: Array
    """Pinball loss of the p90 by that of the reference, shape (series, horizons)."""
    mae: Array
    """Absolute error of the median by that of the last value, shape (series, horizons)."""
    coverage: Array
    """Of the p90, shape (series, horizons)."""
    fit_ms: float
    """Median time of a fit and its forecast."""
    failed: int
    """How many fits failed, so that the last value stood in."""


def means(ratios: Array) -> list[float]:
    """Return the geometric mean over the series of each horizon, from (series, horizons)."""
    return [losses.geometric_mean(column) for column in ratios.T]


def spread(ratios: Array) -> list[tuple[float, float]]:
    """Return the 90 % interval of each horizon's geometric mean, resampling the series."""
    chance = np.random.default_rng(1)
    series = chance.integers(0, len(ratios), (_RESAMPLES, len(ratios)))
    logs = np.log(np.maximum(ratios, 1e-9))
    drawn = np.exp(np.nanmean(logs[series], axis=1))
    low, high = np.quantile(drawn, _INTERVAL, axis=0)
    return list(zip(low.tolist(), high.tolist(), strict=True))


def compare(group: Group, target: Target, *, from_start: bool = False) -> tuple[Compared, Issued, Issued]:
    """Play the group's series through the engine and the reference; return scores and what both issued.

    Origins are all after a day, or *from_start* all after ten minutes.
    """
    spec, loads = group.spec(target), list(group.loads.values())
    say(f"{len(loads)} series of {group.step_s} s, target {target} …")
    ours, reference = backtest.run(Engine, loads, spec), backtest.run(Reactive, loads, spec)
    chosen = ours.since_start(_COLD_MINUTES[0] * MINUTE_S // group.step_s if from_start else spec.day)
    engine, base, last = (issued.scores(chosen) for issued in (ours, reference, backtest.last_value(ours)))
    return Compared(group=group, spec=spec, engine=engine, reference=base, last=last), ours, reference


def rivals(group: Group, ours: Issued, reference: Issued, origins_per_series: int) -> list[Rival]:
    """Return the libraries' models and, as the last one, the engine on the same few origins."""
    chosen = _origins(ours, origins_per_series)
    base, naive = reference.scores(chosen), backtest.last_value(ours).scores(chosen)
    found = []
    for peer in forecast_peers.all_peers():
        say(f"{peer.name}, {int(chosen.sum())} fits …")
        issued, failed = backtest.refit(peer, list(group.loads.values()), ours.spec, chosen, memory=peer.memory)
        found.append(_rival(peer.name, issued.scores(chosen), base, naive, float(np.median(peer.took_ms)), failed))
    return [*found, _rival("leadtime", ours.scores(chosen), base, naive, float("nan"), 0)]


def cold(groups: Sequence[Group]) -> tuple[list[str], Array, Array, Array]:
    """Start from nothing in several places of every series; return names, MAE ratios, p90 ratios and coverage.

    Scored are minutes 10 to 120 of each start, and all starts of a series together. Arrays have shape (series, horizons).
    """
    names, starts = [], []
    for group in groups:
        for name, load in group.loads.items():
            cuts = _windows(len(load), minutes=_COLD_MINUTES[1] + group.minutes[-1])
            names += [name] * len(cuts)
            starts += [Series(0, load.step_s, load.values[begin:end]) for begin, end in cuts]  # no hour comes twice in them
    spec = groups[0].spec(Target.AT)
    say(f"{len(starts)} starts from nothing …")
    ours, reference = backtest.run(Engine, starts, spec), backtest.run(Reactive, starts, spec)
    chosen = ours.since_start(_COLD_MINUTES[0] - 1, _COLD_MINUTES[1])
    engine, base, last = (_pooled(issued.scores(chosen), names) for issued in (ours, reference, backtest.last_value(ours)))
    return list(dict.fromkeys(names)), losses.ratio(engine[0], last[0]), losses.ratio(engine[1], base[1]), engine[2]


def _windows(length: int, minutes: int) -> list[tuple[int, int]]:
    if length <= minutes:
        return [(0, length)]
    return [(int(begin), int(begin) + minutes) for begin in np.linspace(0, length - minutes, _COLD_STARTS)]


def _pooled(scores: Scores, names: Sequence[str]) -> tuple[Array, Array, Array]:
    """Return MAE, pinball of the p90 and its coverage over all windows of each name: (names, horizons) each."""
    place, of = _place(scores.spec), np.array(names)
    weight = scores.origins.astype(np.float64)
    parts = []
    for figure in (scores.mae, scores.pinball[:, :, place], scores.coverage[:, :, place]):
        total = np.where(weight > 0, figure, 0.0) * weight
        rows = [np.flatnonzero(of == name) for name in dict.fromkeys(names)]
        with np.errstate(invalid="ignore"):
            parts.append(np.stack([total[row].sum(axis=0) / weight[row].sum(axis=0) for row in rows]))
    return parts[0], parts[1], parts[2]


def _origins(issued: Issued, per_series: int) -> Mask:
    """Return so many origins of each series, evenly spread from its fourth day, or its middle, to its end."""
    chosen = np.zeros(issued.values.shape, dtype=np.bool_)
    for row, begin in enumerate(issued.first):
        end = int(np.flatnonzero(~np.isnan(issued.values[:, row]))[-1]) - issued.spec.horizons[-1]
        since = begin + min(_PEERS_FROM_DAY * issued.spec.day, (end - begin) // 2)
        chosen[(since + (np.arange(per_series) + 0.5) * (end - since) / per_series).astype(np.int64), row] = True
    return chosen


def _rival(name: str, scores: Scores, base: Scores, naive: Scores, fit_ms: float, failed: int) -> Rival:
    return Rival(
        name=name,
        p90=p90_ratio(scores, base),
        mae=losses.ratio(scores.mae, naive.mae),
        coverage=scores.coverage[:, :, _place(scores.spec)],
        fit_ms=fit_ms,
        failed=failed,
    )


def p90_ratio(scores: Scores, reference: Scores) -> Array:
    """Return the pinball loss of the p90 by that of the reference, shape (series, horizons)."""
    place = _place(scores.spec)
    return losses.ratio(scores.pinball[:, :, place], reference.pinball[:, :, place])


def _place(spec: Spec) -> int:
    return spec.quantiles.index(P90)
