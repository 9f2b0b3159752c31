"""A trace made ready to be compared on: its two parts in time, how it was scaled, what kind of load it is, and its world.

Nothing of that depends on a policy. What was done to a trace is kept in words, and shown wherever its results are.
"""

import dataclasses
import enum
import math
from dataclasses import dataclass
from typing import TypeVar, assert_never

import numpy as np

from autoscaler.simulation import foresight
from autoscaler.simulation.foresight import Recording
from autoscaler.simulation.traces import scaling
from autoscaler.simulation.workload import Rates, Requests, Values, Workload, WorkloadError
from autoscaler.simulation.world import World

#: What a load may rise within a start-up, as a share of its mean, in all but one of a hundred moments: beyond, it is bursty.
BURSTY_RISE = 0.25

_W = TypeVar("_W", Requests, Rates)

_DAY_S = 86_400.0
_BIN_S = 60
_LEAST_S = 1200.0
_OPENING_S = 600.0
#: The pods that are there at the beginning run at this share of what they carry.
_OPENING_RATIO = 0.7


class Shape(enum.StrEnum):
    """What kind of load it is."""

    DAILY = "daily"
    BURSTY = "bursty"


class Part(enum.StrEnum):
    """Which part of a trace is run."""

    TRAIN = "train"
    TEST = "test"


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Case:
    """A trace in two parts, the first before the second. Of rates, the past of a part is all that came before it."""

    name: str
    shape: Shape
    train: Workload
    test: Workload
    both: Workload
    """From the beginning of the first to the end of the second."""
    cut_s: float
    """Where in that the second begins."""
    base: World
    carried_per_s: float
    """Requests per second that one pod carries within the objective."""
    factor: float
    """So many times the requests of the trace."""
    note: str
    """How it was scaled, in words."""
    recording: Recording | None = None
    """What the product's forecaster says of *both*, once that was asked for."""

    def part(self, part: Part) -> Workload:
        """Return the load of a part."""
        match part:
            case Part.TRAIN:
                return self.train
            case Part.TEST:
                return self.test
            case _:
                assert_never(part)

    def world(self, part: Part) -> World:
        """Return the world of a part: as many pods at its beginning as its first minutes take, for every policy alike."""
        pods = math.ceil(_opening_per_s(self.part(part)) / (self.carried_per_s * _OPENING_RATIO))
        first = min(max(pods, self.base.min_replicas, 1), self.base.max_replicas)
        return dataclasses.replace(self.base, first_replicas=first)

    def recorded(self, part: Part) -> Recording | None:
        """Return what the forecaster says of a part, by that part's clock."""
        recording = self.recording
        if recording is None or part is Part.TRAIN or isinstance(self.both, Rates):
            return recording
        # A log has no date: each of its parts begins at 0, and the second has the first before it.
        before = round(self.cut_s / recording.spec.step_s)
        return dataclasses.replace(recording, first=recording.first - before)


@dataclass(frozen=True, slots=True, kw_only=True)
class Preparation:
    """How traces are made ready."""

    test_s: float = _DAY_S
    """How long the judged part is at most; the part that is tuned on is as long."""
    past_s: float = 7 * _DAY_S
    """How much of what came before both is kept, to be learned from."""
    peak_pods: float = 16.0
    """Loads are scaled until their peak takes so many pods."""
    seed: int = 0


def prepare(workload: Workload, world: World, carried_per_s: float, how: Preparation) -> Case:
    """Return *workload* as a case. Raises `WorkloadError` where it is too short, or nobody comes in one of the parts."""
    match workload:
        case Rates():
            return _prepared(workload, float(workload.step_s), world, carried_per_s, how)
        case Requests():
            return _prepared(workload, float(_BIN_S), world, carried_per_s, how)
        case _:
            assert_never(workload)


def _prepared(workload: _W, step_s: float, world: World, carried_per_s: float, how: Preparation) -> Case:
    part_s = min(how.test_s, workload.duration_s / 2) // step_s * step_s
    if part_s < _LEAST_S:
        raise WorkloadError(
            f"{workload.name}: lasts {workload.duration_s:.0f} s, too short to tune on one part and judge on another:"
            f" {2 * _LEAST_S:.0f} s are needed"
        )
    # Where there is a day between them, both parts are of the same hours: to tune on a night for a day would say nothing.
    apart_s = _DAY_S if part_s <= _DAY_S <= workload.duration_s - part_s else part_s
    starts_s = (workload.duration_s - apart_s - part_s) // step_s * step_s
    scaled, factor = scaling.fit(workload, carried_per_s, how.peak_pods, seed=how.seed)
    both = _with_past(scaling.window(scaled, starts_s, starts_s + apart_s + part_s), how.past_s)
    return Case(
        name=workload.name,
        shape=shape(both, world),
        train=scaling.window(both, 0.0, part_s),
        test=scaling.window(both, apart_s, apart_s + part_s),
        both=both,
        cut_s=apart_s,
        base=world,
        carried_per_s=carried_per_s,
        factor=factor,
        note=f"requests × {factor:.3g}, so that the peak takes {how.peak_pods:g} pods",
    )


def foreseen(case: Case) -> Case:
    """Return *case* with what the product's forecaster says of it: that takes milliseconds for each minute, its past included."""
    return dataclasses.replace(case, recording=foresight.record(case.both, path=case.base.path))


def _with_past(workload: _W, past_s: float) -> _W:
    """Return *workload* with no more of its past than *past_s*."""
    if isinstance(workload, Requests):
        return workload
    kept = int(past_s // workload.step_s)
    return Rates(
        workload.name,
        workload.step_s,
        workload.per_s,
        past=workload.past[-kept:] if kept else (),
        start_s=workload.start_s,
        mean_prompt_tokens=workload.mean_prompt_tokens,
        mean_output_tokens=workload.mean_output_tokens,
    )


def shape(workload: Workload, world: World) -> Shape:
    """Return whether a load is bursty: whether it often rises within a start-up by more than a share of its mean."""
    rates = scaling.to_rates(workload, _BIN_S) if isinstance(workload, Requests) else workload
    # Counts of less than a minute are mostly the noise of single arrivals.
    binned = max(1, round(_BIN_S / rates.step_s))
    per_s: Values = rates.per_s[: len(rates.per_s) // binned * binned].reshape(-1, binned).mean(axis=1)
    ahead = max(1, round(world.startup.p90_s / (rates.step_s * binned)))
    rises = np.maximum(per_s[ahead:] - per_s[:-ahead], 0.0)
    bursty = len(rises) > 0 and float(np.quantile(rises, 0.99)) > BURSTY_RISE * float(per_s.mean())
    return Shape.BURSTY if bursty else Shape.DAILY


def _opening_per_s(part: Workload) -> float:
    match part:
        case Rates():
            return float(part.per_s[: max(1, round(_OPENING_S / part.step_s))].mean())
        case Requests():
            return float(np.count_nonzero(part.at < _OPENING_S)) / _OPENING_S
        case _:
            assert_never(part)
