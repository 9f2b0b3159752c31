"""A whole backtest: what is run, with what it is compared, and what came of it."""

import dataclasses
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from autoscaler.decision import forecasted
from autoscaler.decision.model import ForecastMode
from autoscaler.resource.scaler import Scaler
from autoscaler.simulation import foresight
from autoscaler.simulation.backtest import figures, guards, suggest
from autoscaler.simulation.backtest.figures import Difference, Figures
from autoscaler.simulation.backtest.guards import Guard
from autoscaler.simulation.backtest.replica import Replica
from autoscaler.simulation.backtest.runs import Clairvoyant, Ground, Replicas, Trial
from autoscaler.simulation.backtest.whatif import Setting
from autoscaler.simulation.foresight import Recording
from autoscaler.simulation.optimum import price
from autoscaler.simulation.optimum.price import Prices
from autoscaler.simulation.outcome import Outcome, Timeline
from autoscaler.simulation.workload import Rates
from autoscaler.simulation.world import Startup, World

#: Points of a timeline that is drawn.
DRAWN_STEPS = 1000
_OPENING_S = 600
_MISSED_GPU_S = 100.0
#: The policy's bounds are its own; nothing else keeps the fleet from any size.
_MOST_REPLICAS = 100_000


class Runs(Protocol):
    """Makes runs: `runs.Runner`."""

    def run(self, trials: Sequence[Trial]) -> list[Outcome]:
        """Return the outcome of each of *trials*, in their order."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Question:
    """What is asked."""

    document: Mapping[str, Any]
    """The InferenceScaler as it was written."""
    scaler: Scaler
    replica: Replica
    read: Callable[[Mapping[str, Any]], Scaler]
    """How a changed document is read."""
    settings: tuple[Setting, ...] = ()
    other: Scaler | None = None
    """What *settings* make of it."""
    really: Replicas | None = None
    """How many replicas there were."""
    price: bool = True
    """Whether each guard is left out in turn."""
    suggest: bool = True
    """Whether changes are tried."""
    plan: bool = True
    """Whether it is compared with what somebody would have done who knew the load."""
    seeds: int = 2

    @property
    def trials(self) -> int:
        """Return how many runs it takes, but for those that confirm a suggestion."""
        policy = self.replica.scaler.policy
        kinds = (
            1
            + self.plan
            + (self.other is not None)
            + (self.really is not None)
            + (self.price and len(list(guards.left_out(policy))))
        )
        tried = len(list(suggest.tried(self.document, self.scaler.policy, self.read))) if self.suggest else 0
        return kinds * self.seeds + tried


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Ran:
    """What came of one kind of run."""

    figures: Figures
    timeline: Timeline | None
    """Of the first seed."""


@dataclass(frozen=True, slots=True)
class Price:
    """What a guard costs: the run without it, and what that has more than the run with it."""

    guard: Guard
    figures: Figures
    without: Difference


@dataclass(frozen=True, slots=True)
class Suggestion:
    """A change that is better in one thing and not worse in the other, with every seed."""

    setting: Setting
    figures: Figures
    difference: Difference


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Result:
    """What came of a backtest."""

    base: Ran
    settings: tuple[Setting, ...] = ()
    other: Ran | None = None
    otherwise: Difference | None = None
    """What *other* has more than the base."""
    really: Ran | None = None
    over_really: Difference | None = None
    """What the base has more than the replicas that there were."""
    clairvoyant: Ran | None = None
    """What somebody would have done who knew the load."""
    regret_ratio: float | None = None
    """By what share the base cost more than that, at `prices_of`; the mean over seeds."""
    prices: tuple[Price, ...] = ()
    tried: int | None = None
    """How many changes were tried; None: none were to be."""
    suggestions: tuple[Suggestion, ...] = ()


def ground(
    question: Question,
    rates: Rates,
    *,
    startup: Startup,
    gpus_per_pod: int = 1,
    zones: Mapping[str, Any] | None = None,
) -> Ground:
    """Return what all runs of *question* have in common; what the forecaster says takes some milliseconds a minute of *rates*."""
    replica = question.replica
    workload = replica.workload(rates)
    opening = max(1, _OPENING_S // rates.step_s)
    least, most = question.scaler.policy.min_replicas, question.scaler.policy.max_replicas
    wanted = math.ceil(float(rates.per_s[:opening].mean()) / replica.requests_per_s)
    if question.really is not None:
        wanted = round(float(question.really.counts[~np.isnan(question.really.counts)][0]))
    world = World(
        engine=replica.engine,
        startup=startup,
        slo=replica.slo,
        gpus_per_pod=gpus_per_pod,
        first_replicas=min(max(wanted, least), most),
        min_replicas=0,
        max_replicas=_MOST_REPLICAS,
    )
    return Ground(
        workload=workload,
        world=world,
        recording=_recording(question, workload, world),
        per_replica_s=replica.requests_per_s * replica.pieces,
        pieces=replica.pieces,
        zones=dict(zones or {}),
    )


def _recording(question: Question, workload: Rates, world: World) -> Recording | None:
    """Return what the forecaster says for the lead times and quantiles that any of the runs may ask for."""
    asked = [one for one in (question.scaler, question.other) if one is not None]
    if question.suggest:
        asked += [question.read(changed) for _, changed in suggest.tried(question.document, question.scaler.policy, question.read)]
    asking = [one.policy for one in asked if one.policy.forecast.mode is not ForecastMode.OFF]
    if not asking:
        return None
    # What is learned of the start-up, and the age of what is known, make it longer than it is at the beginning.
    longest_s = max(2 * world.startup.p90_s, *(forecasted.lead_s(policy) for policy in asking)) + 120.0
    quantiles = {policy.forecast.quantile for policy in asking} | {policy.warm_pool.quantile for policy in asking}
    beyond = next((ahead for ahead in foresight.HORIZONS if ahead * 60 >= longest_s), foresight.HORIZONS[-1])
    return foresight.record(
        workload,
        path=world.path,
        horizons=tuple(ahead for ahead in foresight.HORIZONS if ahead <= beyond),
        quantiles=tuple(sorted(quantiles)),
    )


def conduct(question: Question, runner: Runs, duration_s: float) -> Result:
    """Return the answer to *question*, whose ground the *runner* has."""
    plan = _Plan(question.seeds, max(60.0, duration_s / DRAWN_STEPS))
    model = question.replica
    plan.add("base", model.scaler)
    if question.other is not None:
        plan.add("other", model.scaled(question.other))
    if question.really is not None:
        plan.add("really", question.really)
    prices = prices_of(model)
    if question.plan:
        bounds = model.scaler.policy
        plan.add("clairvoyant", Clairvoyant(min_replicas=bounds.min_replicas, max_replicas=bounds.max_replicas, prices=prices))
    left_out = list(guards.left_out(model.scaler.policy)) if question.price else []
    for guard, policy in left_out:
        plan.add(guard.name, dataclasses.replace(model.scaler, policy=policy), drawn=False)
    changes = [
        (setting, model.scaled(question.read(changed)))
        for setting, changed in (
            suggest.tried(question.document, question.scaler.policy, question.read) if question.suggest else ()
        )
    ]
    for setting, scaler in changes:
        plan.add(str(setting), scaler, drawn=False, seeds=1)
    came = plan.run(runner)
    base = came["base"]
    ran = {name: Ran(figures=Figures.of(came[name]), timeline=came[name][0].timeline) for name in plan.drawn}
    return Result(
        base=ran["base"],
        settings=question.settings,
        other=ran.get("other"),
        otherwise=figures.difference(base, came["other"]) if "other" in came else None,
        really=ran.get("really"),
        over_really=figures.difference(came["really"], base) if "really" in came else None,
        clairvoyant=ran.get("clairvoyant"),
        regret_ratio=_regret_ratio(base, came.get("clairvoyant"), prices),
        prices=tuple(
            Price(guard, Figures.of(came[guard.name]), figures.difference(base, came[guard.name])) for guard, _ in left_out
        ),
        tried=len(changes) if question.suggest else None,
        suggestions=tuple(_confirmed(question, changes, came, runner)),
    )


def prices_of(replica: Replica) -> Prices:
    """Return what a missed request is worth where a replica takes as many as *replica*: the smaller they are, the less.

    A replica for a second pays where more than one request in a hundred would be missed without it.
    """
    return Prices(missed_gpu_s=_MISSED_GPU_S / replica.requests_per_s)


def _regret_ratio(base: Sequence[Outcome], least: Sequence[Outcome] | None, prices: Prices) -> float | None:
    if least is None:
        return None
    return float(np.mean([price.regret_ratio(ours, theirs, prices) for ours, theirs in zip(base, least, strict=True)]))


def _confirmed(
    question: Question, changes: Sequence[tuple[Setting, Scaler]], came: Mapping[str, Sequence[Outcome]], runner: Runs
) -> Iterator[Suggestion]:
    """Yield the changes that are better with every seed; the first seed has said of which it is worth asking."""
    base = came["base"]
    promising = [(setting, scaler) for setting, scaler in changes if figures.difference(base[:1], came[str(setting)]).better]
    again = [Trial(what=scaler, seed=seed) for _, scaler in promising for seed in range(1, question.seeds)]
    outcomes = iter(runner.run(again))
    found = []
    for setting, _ in promising:
        runs = [*came[str(setting)], *(next(outcomes) for _ in range(1, question.seeds))]
        difference = figures.difference(base, runs)
        if difference.better:
            found.append(Suggestion(setting, Figures.of(runs), difference))
    # Those that save most come first, then those that miss fewest.
    yield from sorted(found, key=lambda one: (one.difference.gpu_ratio, one.difference.missed_ratio, str(one.setting)))


class _Plan:
    """Runs by what they are called."""

    def __init__(self, seeds: int, timeline_s: float) -> None:
        self._seeds = seeds
        self._timeline_s = timeline_s
        self._names: list[str] = []
        self._trials: list[Trial] = []
        self.drawn: list[str] = []

    def add(self, name: str, what: Scaler | Replicas | Clairvoyant, *, drawn: bool = True, seeds: int | None = None) -> None:
        """Run *what* with each seed, and keep what there was at each moment of the first where it is *drawn*."""
        if drawn:
            self.drawn.append(name)
        for seed in range(self._seeds if seeds is None else seeds):
            self._names.append(name)
            self._trials.append(Trial(what=what, seed=seed, timeline_s=self._timeline_s if drawn and seed == 0 else None))

    def run(self, runner: Runs) -> dict[str, list[Outcome]]:
        """Return the outcomes of each name, by seed."""
        came: dict[str, list[Outcome]] = {}
        for name, outcome in zip(self._names, runner.run(self._trials), strict=True):
            came.setdefault(name, []).append(outcome)
        return came
