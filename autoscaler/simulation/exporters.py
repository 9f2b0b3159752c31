"""The way of a metric: DCGM holds a sample, scrapes come now and then, some are lost, and what is shown is what was last scraped.

All targets of a run are scraped at the same moments. Prometheus spreads them over the interval, so that the samples of a job's pods
differ in age; here they have one age, from nothing to the interval, which differs from run to run. Each exporter loses its scrapes
by itself: a pod's engine, its GPU's DCGM, and the gateway.
"""

import math
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple, assert_never

import numpy as np

from autoscaler.simulation import chance, quantiles
from autoscaler.simulation.agenda import Agenda
from autoscaler.simulation.pod import Pod
from autoscaler.simulation.pods import Pods
from autoscaler.simulation.service import Gauges, Service
from autoscaler.simulation.sight import PodMetric, Sample, TotalMetric
from autoscaler.simulation.world import Path

STALE_S = 300.0
"""How long Prometheus answers with a sample that no other followed."""

_GATEWAY = 0  # the number of the target that is no pod
_NEVER = -math.inf
_NOTHING = Gauges(0.0, 0.0, 0.0, 0.0)  # never shown: it stands where nothing was scraped yet


_Shown = tuple[str, Gauges, float, float, float]
"""A pod's name, its gauges and when they were scraped, its GPU's utilisation and when that was."""


class _Read(NamedTuple):
    """A scrape of the gateway."""

    at: float
    arrived: float
    first_tokens: Sequence[tuple[float, float]]
    """Those since the scrape before."""


class _Losses:
    """Which scrapes of one target are lost. How many come through until the next loss is drawn, not every scrape."""

    __slots__ = ("_chance", "_ratio")

    def __init__(self, luck: np.random.Generator, ratio: float) -> None:
        self._chance = luck
        self._ratio = ratio

    def until_next(self) -> int:
        """Return the number of the next scrape that is lost, from now on; 0: none will be."""
        return int(self._chance.geometric(self._ratio)) if self._ratio > 0.0 else 0


class _Target:
    """A pod as its exporters see it, and what was last scraped of them."""

    __slots__ = (
        "_hold_s",
        "_sampled_s",
        "dcgm_left",
        "engine_left",
        "held",
        "losses",
        "number",
        "pod",
        "read_at",
        "read_s",
        "sample_at",
        "shown",
    )

    def __init__(self, pod: Pod, since: float, path: Path, seed: int) -> None:
        luck = chance.generator(seed, chance.Cause.SCRAPES, pod.number)
        self.pod = pod
        self.number = pod.number
        self._hold_s = path.hold_s
        self.sample_at = since + float(luck.random()) * path.hold_s  # when DCGM takes its next sample
        self.held = 0.0  # what DCGM holds, in per cent: the GPU had nothing to do before its pod
        self._sampled_s = 0.0  # what the GPU had computed when DCGM took its last sample
        self.read_at = since
        self.read_s = 0.0  # what it had computed when it was last read
        self.losses = _Losses(luck, path.lost_ratio)
        self.dcgm_left = self.losses.until_next()
        self.engine_left = self.losses.until_next()
        self.shown: _Shown = (pod.name, _NOTHING, _NEVER, 0.0, _NEVER)

    def sample(self, now: float, busy_s: float) -> None:
        """Have DCGM hold what it sampled last up to *now*: the share of the time before that in which the GPU computed.

        What the GPU had computed is known at each scrape; in between it is taken to have computed evenly.
        """
        per_s = (busy_s - self.read_s) / (now - self.read_at) if now > self.read_at else 0.0
        passed = (now - self.sample_at) // self._hold_s
        last_at = self.sample_at + passed * self._hold_s
        at_last_s = busy_s - per_s * (now - last_at)
        # With several samples since the last scrape, the one before the last is within that time, too.
        computed_s = at_last_s - self._sampled_s if passed == 0.0 else per_s * self._hold_s
        self.held = min(100.0, max(0.0, 100.0 * computed_s / self._hold_s))
        self._sampled_s = at_last_s
        self.sample_at = last_at + self._hold_s


class Exporters:
    """Everything that is scraped, and what a policy sees of it."""

    def __init__(self, path: Path, seed: int, service: Service, pods: Pods, agenda: Agenda, *, until: float) -> None:
        """Scrape up to *until*, from a random moment within the first interval on."""
        self._path = path
        self._seed = seed
        self._service = service
        self._pods = pods
        self._agenda = agenda
        self._until = until
        luck = chance.generator(seed, chance.Cause.SCRAPES, _GATEWAY)
        self._first_at = float(luck.random()) * path.scrape_s
        self._scrapes = 0
        self._losses = _Losses(luck, path.lost_ratio)
        self._gateway_left = self._losses.until_next()
        self._targets: list[_Target] = []
        self._targets_of = -1  # the version of the pods
        self._reads: deque[_Read] = deque()
        self._held: Sample | None = None
        self._put_next()

    def per_pod(self, now: float) -> Mapping[PodMetric, Mapping[str, Sample]]:
        """Return what pods show: of those that are there, what was last scraped, unless that is too long ago."""
        return _PerPod([target.shown for target in self._listed()], now - STALE_S)

    def total(self, now: float) -> Mapping[TotalMetric, Sample]:
        """Return what the gateway shows: rates over the window that ends *now*."""
        self._forget(now)
        held = self._held if self._held is not None and self._held.at > now - STALE_S else None
        return _Total(tuple(self._reads), held)

    def _put_next(self) -> None:
        at = self._first_at + self._scrapes * self._path.scrape_s
        self._scrapes += 1
        if at <= self._until:
            self._agenda.put(at, self._scrape)

    def _scrape(self, now: float) -> None:
        self._put_next()
        reached = not any(since <= now < until for since, until in self._path.outages)
        gauges_of = self._service.gauges
        for target in self._listed():
            gauges = gauges_of(target.number)
            if now >= target.sample_at:
                target.sample(now, gauges.busy_s)
            target.read_at = now
            target.read_s = gauges.busy_s
            if reached:
                _show(target, gauges, now)
        if reached:
            self._read_gateway(now)

    def _read_gateway(self, now: float) -> None:
        self._gateway_left -= 1
        if self._gateway_left == 0:
            self._gateway_left = self._losses.until_next()
            return
        self._forget(now)
        # Those of the very moment of the scrape before were in that one.
        since = math.nextafter(self._reads[-1].at, math.inf) if self._reads else now
        self._reads.append(_Read(now, self._service.arrived, self._service.recent_first_tokens(since)))
        self._held = Sample(self._service.held, now)

    def _forget(self, now: float) -> None:
        while self._reads and self._reads[0].at <= now - self._path.rate_window_s:
            self._reads.popleft()

    def _listed(self) -> Sequence[_Target]:
        """Return the pods whose containers run: a pod that is gone is shown no more, from that very moment."""
        if self._targets_of != self._pods.version:
            self._targets_of = self._pods.version
            known = {target.number: target for target in self._targets}
            self._targets = [
                known.get(pod.number) or _Target(pod, max(0.0, pod.started_at), self._path, self._seed)
                for pod in self._pods.alive()
                if pod.started_at is not None
            ]
        return self._targets


def _show(target: _Target, fresh: Gauges, now: float) -> None:
    """Have *target* scraped. What is lost leaves what was there; an engine that loads its model shows nothing yet."""
    name, gauges, gauges_at, util, util_at = target.shown
    target.dcgm_left -= 1
    if target.dcgm_left:
        util, util_at = target.held, now
    else:
        target.dcgm_left = target.losses.until_next()
    if target.pod.ready_at is not None:
        target.engine_left -= 1
        if target.engine_left:
            gauges, gauges_at = fresh, now
        else:
            target.engine_left = target.losses.until_next()
    target.shown = (name, gauges, gauges_at, util, util_at)


class _PerPod(Mapping[PodMetric, Mapping[str, Sample]]):
    """What pods show, with each metric put together when it is looked at: a policy reads one or two of them."""

    __slots__ = ("_built", "_shown", "_stale_at")

    def __init__(self, shown: Sequence[_Shown], stale_at: float) -> None:
        self._shown = shown
        self._stale_at = stale_at
        self._built: dict[PodMetric, Mapping[str, Sample]] = {}

    def __getitem__(self, metric: PodMetric) -> Mapping[str, Sample]:
        built = self._built.get(metric)
        if built is None:
            built = self._built[metric] = self._build(metric)
        return built

    def __iter__(self) -> Iterator[PodMetric]:
        return iter(PodMetric)

    def __len__(self) -> int:
        return len(PodMetric)

    def _build(self, metric: PodMetric) -> Mapping[str, Sample]:
        stale_at = self._stale_at
        if metric is PodMetric.GPU_UTIL:
            return {name: Sample(util, at) for name, _, _, util, at in self._shown if at > stale_at}
        engines = [(name, gauges, at) for name, gauges, at, _, _ in self._shown if at > stale_at]
        match metric:
            case PodMetric.WAITING:
                return {name: Sample(gauges.waiting, at) for name, gauges, at in engines}
            case PodMetric.RUNNING:
                return {name: Sample(gauges.running, at) for name, gauges, at in engines}
            case PodMetric.KV_USAGE:
                return {name: Sample(gauges.kv_ratio, at) for name, gauges, at in engines}
            case _:
                assert_never(metric)


class _Total(Mapping[TotalMetric, Sample]):
    """What the gateway shows. Rates and quantiles are over what came between the first scrape of the window and the last."""

    __slots__ = ("_built", "_held", "_reads")

    def __init__(self, reads: Sequence[_Read], held: Sample | None) -> None:
        self._reads = reads
        self._held = held
        self._built: dict[TotalMetric, Sample | None] = {}

    def __getitem__(self, metric: TotalMetric) -> Sample:
        if metric not in self._built:
            self._built[metric] = self._build(metric)
        sample = self._built[metric]
        if sample is None:
            raise KeyError(metric)
        return sample

    def __iter__(self) -> Iterator[TotalMetric]:
        return (metric for metric in TotalMetric if metric in self)

    def __len__(self) -> int:
        return sum(metric in self for metric in TotalMetric)

    def _build(self, metric: TotalMetric) -> Sample | None:
        if metric is TotalMetric.HELD:
            return self._held
        if len(self._reads) < 2:  # an increase needs two
            return None
        first, last = self._reads[0], self._reads[-1]
        match metric:
            case TotalMetric.ARRIVALS:
                return Sample((last.arrived - first.arrived) / (last.at - first.at), last.at)
            case TotalMetric.TTFT_P90:
                weighed = [pair for read in self._reads[1:] for pair in read.first_tokens]
                p90_s = quantiles.weighted(weighed, (0.9,))[0]
                return None if math.isnan(p90_s) else Sample(p90_s, last.at)
            case _:
                assert_never(metric)
