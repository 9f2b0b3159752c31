"""Load that is made, for machines without traces: realistic in shape, bursts and lengths, and the same for the same seed.

Shapes are days, weeks or what `Kind` says. Requests come from a few large clients and a crowd: each client is a renewal process
whose gaps are gamma distributed, with the coefficient of variation of that client, which runs on a clock as fast as its load. So
most of the burstiness comes from few clients, as the studies of BurstGPT and ServeGen found. Lengths are lognormal with a Pareto
tail.

Whole requests, whole tokens and microseconds are what comes out, so that the last bits, in which mathematical libraries differ
from machine to machine, do not show.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np

from autoscaler.simulation import shapes
from autoscaler.simulation.shapes import Kind, Stretch
from autoscaler.simulation.workload import Rates, Requests, Values, WorkloadError

KINDS: Mapping[Kind, str] = MappingProxyType(
    {
        Kind.DAILY: "days that are busiest at 14:00, quiet weekends, a slow drift, and a few clients that are a bit bursty",
        Kind.BURSTY: "shallow days under a few clients that send in bursts, some minutes long and up to twelvefold",
        Kind.SPIKY: "silence, and then out of it a burst of some minutes",
        Kind.STEPS: "a load that jumps to five times as much, stays there, and falls back as suddenly",
        Kind.RAMP: "a load that rises evenly to six times as much, stays for a while, and falls three times as fast",
        Kind.FLAT: "a constant load with nothing but the noise of independent clients: whoever scales here, scales for nothing",
        Kind.SHIFTED: "peaks like clockwork that suddenly come at other times: what a forecast learned is wrong",
        Kind.SPARSE: "long times without any request, and short ones with some",
    }
)
MONDAY_S = 1_704_067_200
"""2024-01-01 00:00 UTC, when made load begins unless something else is asked for."""

_CURVE, _BURSTS, _ARRIVALS, _LENGTHS = 71, 72, 73, 74  # causes of chance
_SHORTEST_S = 600
_PACE_S = 3600.0
_GROUPS = 40  # of the requests in a bucket, where there are many: between groups they are spread evenly
_MOST_REQUESTS = 50_000_000
_MOST_BUCKETS = 20_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class _Client:
    share_ratio: float
    """Of all requests."""
    variation: float
    """Standard deviation by mean of the gaps between its requests; a crowd of small clients has 1."""
    bursts: bool = False


_CROWD = (_Client(share_ratio=1.0, variation=1.0),)
_SOME_LARGE = (
    _Client(share_ratio=0.2, variation=2.0),
    _Client(share_ratio=0.15, variation=2.0),
    _Client(share_ratio=0.1, variation=1.5),
    _Client(share_ratio=0.55, variation=1.0),
)
_FEW_BURSTY = (
    _Client(share_ratio=0.3, variation=6.0, bursts=True),
    _Client(share_ratio=0.2, variation=5.0, bursts=True),
    _Client(share_ratio=0.1, variation=4.0, bursts=True),
    _Client(share_ratio=0.4, variation=1.0),
)
_CLIENTS = {Kind.DAILY: _SOME_LARGE, Kind.BURSTY: _FEW_BURSTY}


@dataclass(frozen=True, slots=True, kw_only=True)
class Lengths:
    """Lengths in tokens: lognormal, but for *tail_ratio* of them, Pareto from *tail_tokens* on; at most *most_tokens*."""

    median_tokens: float
    spread: float
    """The standard deviation of the logarithm."""
    tail_ratio: float
    tail_tokens: float
    tail_exponent: float
    most_tokens: float

    @property
    def mean_tokens(self) -> float:
        """The mean, up to what is cut at *most_tokens*."""
        body = self.median_tokens * math.exp(self.spread**2 / 2)
        # The mean of a Pareto variable that is cut at a share c of its least value: a/(a-1) - c**(1-a)/(a-1), times that value.
        cut = (self.most_tokens / self.tail_tokens) ** (1 - self.tail_exponent)
        tail = self.tail_tokens * (self.tail_exponent - cut) / (self.tail_exponent - 1)
        return float((1 - self.tail_ratio) * body + self.tail_ratio * tail)

    def draw(self, count: int, rng: np.random.Generator) -> Values:
        """Return *count* of them: whole numbers, 1 or more."""
        body = self.median_tokens * np.exp(self.spread * rng.standard_normal(count))
        tail = self.tail_tokens * (1 + rng.pareto(self.tail_exponent, count))
        drawn = np.where(rng.random(count) < self.tail_ratio, tail, body)
        return np.clip(np.rint(drawn), 1.0, self.most_tokens)


PROMPTS = Lengths(median_tokens=285.0, spread=0.9, tail_ratio=0.03, tail_tokens=1500.0, tail_exponent=2.0, most_tokens=16_000.0)
"""A mean of 500 tokens."""
OUTPUTS = Lengths(median_tokens=81.0, spread=0.8, tail_ratio=0.01, tail_tokens=600.0, tail_exponent=2.5, most_tokens=4000.0)
"""A mean of 120 tokens."""


def rates(
    kind: Kind,
    *,
    seed: int,
    mean_per_s: float = 10.0,
    duration_s: int = 86_400,
    past_s: int = 7 * 86_400,
    step_s: int = 60,
    start_s: int = MONDAY_S,
) -> Rates:
    """Return how many requests come in each step, *mean_per_s* on the average of many seeds, after *past_s* of the same kind.

    Raises `WorkloadError` for durations that are no whole steps or below ten minutes, and for a load of which no request comes.
    """
    _require(kind, seed=seed, mean_per_s=mean_per_s, duration_s=duration_s)
    if step_s < 1 or duration_s % step_s or past_s % step_s or start_s % step_s or past_s < 0:
        raise WorkloadError(
            f"{kind}: duration_s {duration_s}, past_s {past_s}, start_s {start_s} must be multiples of step_s {step_s}"
        )
    if (duration_s + past_s) // math.gcd(step_s, 5) > _MOST_BUCKETS:
        raise WorkloadError(f"{kind}: {duration_s} s after {past_s} s are more than can be made: ask for less")
    stretches = _stretches(duration_s, past_s, start_s, step_s)
    counts, past = (np.zeros(stretch.buckets * stretch.grain_s // step_s) for stretch in stretches)
    for number, client in enumerate(_CLIENTS.get(kind, _CROWD)):
        served_due, past_due = _due(kind, number, client, stretches, seed, mean_per_s)
        every = step_s // stretches[0].grain_s
        counts += _counted(served_due[::every], client, np.random.default_rng([seed, _ARRIVALS, number, 0]))
        past += _counted(past_due[::every], client, np.random.default_rng([seed, _ARRIVALS, number, 1]))
    return Rates(
        str(kind),
        step_s,
        counts / step_s,
        past=past / step_s,
        start_s=start_s,
        mean_prompt_tokens=PROMPTS.mean_tokens,
        mean_output_tokens=OUTPUTS.mean_tokens,
    )


def requests(kind: Kind, *, seed: int, mean_per_s: float = 10.0, duration_s: int = 3600, start_s: int = MONDAY_S) -> Requests:
    """Return every request by itself: as many as `rates` has with the same arguments, in the mean, and the same shape."""
    _require(kind, seed=seed, mean_per_s=mean_per_s, duration_s=duration_s)
    if mean_per_s * duration_s > _MOST_REQUESTS:
        raise WorkloadError(f"{kind}: {mean_per_s * duration_s:.0f} requests are more than can be made one by one: use rates")
    stretch, _ = stretches = _stretches(duration_s, 0, start_s, 1 if duration_s % 5 else 5)
    edges = np.arange(stretch.buckets + 1) * float(stretch.grain_s)
    arrivals = []
    for number, client in enumerate(_CLIENTS.get(kind, _CROWD)):
        due, _ = _due(kind, number, client, stretches, seed, mean_per_s)
        times = _renewals(due[-1], client.variation, 1, np.random.default_rng([seed, _ARRIVALS, number, 0]))
        arrivals.append(np.interp(times[times < due[-1]], due, edges))
    at = np.sort(np.round(np.concatenate(arrivals), 6))
    lengths = np.random.default_rng([seed, _LENGTHS])
    return Requests(str(kind), at, PROMPTS.draw(len(at), lengths), OUTPUTS.draw(len(at), lengths))


def _require(kind: Kind, *, seed: int, mean_per_s: float, duration_s: int) -> None:
    if seed < 0:
        raise WorkloadError(f"{kind}: the seed {seed} must be 0 or more")
    if not 0 < mean_per_s < math.inf:
        raise WorkloadError(f"{kind}: mean_per_s {mean_per_s} must be above 0, and finite")
    if duration_s < _SHORTEST_S:
        raise WorkloadError(f"{kind}: duration_s {duration_s} must be {_SHORTEST_S} or more, or nothing of the kind would be seen")


def _stretches(duration_s: int, past_s: int, start_s: int, step_s: int) -> tuple[Stretch, Stretch]:
    """Return the time that is served, and that before it."""
    grain_s = math.gcd(step_s, 5)
    pace_s = min(duration_s / 6, _PACE_S)
    return (
        Stretch(begins_s=start_s, buckets=duration_s // grain_s, grain_s=grain_s, pace_s=pace_s),
        Stretch(begins_s=start_s, buckets=past_s // grain_s, grain_s=grain_s, pace_s=pace_s, backwards=True),
    )


def _due(
    kind: Kind, number: int, client: _Client, stretches: tuple[Stretch, Stretch], seed: int, mean_per_s: float
) -> tuple[Values, Values]:
    """Return how many requests of *client* are due up to each edge of the buckets, of the time that is served and of the past.

    The served time is scaled to its mean, and the past by the same factor.
    """
    levels = []
    for part, stretch in enumerate(stretches):
        level = shapes.curve(kind, stretch, np.random.default_rng([seed, _CURVE, part]))
        if client.bursts:
            level = level * shapes.bursts(stretch, np.random.default_rng([seed, _BURSTS, number, part]))
        levels.append(level[::-1] if stretch.backwards else level)
    factor = client.share_ratio * mean_per_s * stretches[0].lasts_s / levels[0].sum()
    return _summed(levels[0] * factor), _summed(levels[1] * factor)


def _summed(levels: Values) -> Values:
    return np.concatenate(([0.0], np.cumsum(levels)))


def _counted(due: Values, client: _Client, rng: np.random.Generator) -> Values:
    """Return how many requests of *client* come between each two of the edges up to which so many are *due*."""
    group = max(int(due[-1] / len(due) / _GROUPS), 1)
    times = _renewals(float(due[-1]), client.variation, group, rng)
    if group == 1:
        return np.diff(np.searchsorted(times, due)).astype(np.float64)
    return np.diff(np.floor(np.interp(due, times, np.arange(len(times)) * float(group))))


def _renewals(until: float, variation: float, group: int, rng: np.random.Generator) -> Values:
    """Return the times of every *group*-th event of a stationary renewal process of rate 1, until after *until*; ascending.

    Gaps are gamma distributed with the coefficient of variation *variation*; *group* of them add up to a gamma variable again.
    """
    shape = group / variation**2
    settled = 20.0 * variation**2  # so long before, the process began: nothing of its beginning is left
    pieces, reached = [], -settled
    while reached <= until:
        count = int((until - reached) / group * 1.05) + 64
        gaps = rng.gamma(shape, variation**2, count)
        pieces.append(reached + np.cumsum(gaps))
        reached = float(pieces[-1][-1])
    times = np.concatenate(pieces)
    return times[times >= 0]
