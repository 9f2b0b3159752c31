"""How each scaler stands after its last decision, as a page that Prometheus reads.

It is written line by line. Five thousand scalers have ninety thousand series: the library that writes the other metrics would take
two seconds of CPU for them at every scrape, and the control loop would feel it.
"""

import itertools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from autoscaler.decision import combine, demand
from autoscaler.decision.model import Decision, Observation, Policy, Source, Vote
from autoscaler.decision.offered import Offered
from autoscaler.outlook import Outlook
from autoscaler.report import text
from autoscaler.report.status import Startup
from autoscaler.resource.scaler import Key, Mechanism, Scaler


@dataclass(frozen=True, slots=True)
class Standing:
    """One scaler; *labels* are those of all its series, as the page has them."""

    labels: str
    policy: Policy
    observation: Observation
    decision: Decision
    startup: Startup
    offered: Offered | None = None
    outlook: Outlook | None = None
    mechanism: Mechanism | None = None  # None: there is no warm pool


def labels(key: Key, scaler: Scaler | None) -> str:
    """Return the labels of a scaler's series; where the object makes no sense, None, its target is empty."""
    target = text.escaped(str(scaler.target)) if scaler is not None else ""
    return f'namespace="{key.namespace}",scaler="{key.name}",target="{target}"'


def page(standings: Sequence[Standing], *, now: float) -> bytes:
    """Return all series of *standings* in the text format."""
    families = itertools.chain(
        _replicas(standings, now),
        _reasons(standings),
        _of_signals(standings),
        _startup(standings),
        _forecasts(standings),
    )
    return b"".join(family.encode() for family in families)


def _replicas(standings: Sequence[Standing], now: float) -> Iterator[str]:
    for name, said, figure in _FIGURES:
        yield text.family(name, said, (f"{name}{{{one.labels}}} {figure(one)}\n" for one in standings))
    name, said = "leadtime_decision_age_seconds", "Age of the last decision."
    yield text.family(name, said, (f"{name}{{{one.labels}}} {max(0.0, now - one.decision.at)}\n" for one in standings))


def bounds(policy: Policy, observation: Observation) -> tuple[int, int]:
    """Return the bounds in force, in replicas: a schedule's where those are narrower. The upper one wins."""
    schedule = observation.schedule
    most = policy.max_replicas if schedule.max_replicas is None else min(schedule.max_replicas, policy.max_replicas)
    least = policy.min_replicas if schedule.min_replicas is None else max(schedule.min_replicas, policy.min_replicas)
    return min(least, most), most


def _ready(one: Standing) -> int:
    return one.observation.pods.ready + one.observation.pods.warm_ready


def _starting(one: Standing) -> int:
    return one.observation.pods.starting + one.observation.pods.warm_starting


_FIGURES: tuple[tuple[str, str, Callable[[Standing], int]], ...] = (
    ("leadtime_desired_replicas", "Replicas decided on, warm ones included.", lambda one: one.decision.replicas),
    ("leadtime_current_replicas", "Replicas that the target asks for.", lambda one: one.observation.replicas),
    ("leadtime_serving_replicas", "Replicas decided on that are to get requests.", lambda one: one.decision.serving),
    ("leadtime_warm_replicas", "Replicas decided on that are to be ready without requests.", lambda one: one.decision.warm),
    ("leadtime_min_replicas", "The lower bound in force.", lambda one: bounds(one.policy, one.observation)[0]),
    ("leadtime_max_replicas", "The upper bound in force.", lambda one: bounds(one.policy, one.observation)[1]),
    ("leadtime_ready_replicas", "Pods that are ready, warm ones included.", _ready),
    ("leadtime_starting_replicas", "Pods on their way, warm ones included.", _starting),
)


def _reasons(standings: Sequence[Standing]) -> Iterator[str]:
    name, said = "leadtime_decision_reason", "1 for the rule that decided the number."
    yield text.family(name, said, (f'{name}{{{one.labels},reason="{one.decision.reason}"}} 1\n' for one in standings))
    name, said = "leadtime_limited", "1 for each limit that changed the number."
    limits = ((one.labels, rule) for one in standings for rule in dict.fromkeys(one.decision.limited_by))
    yield text.family(name, said, (f'{name}{{{labels},rule="{rule}"}} 1\n' for labels, rule in limits))
    name, said = "leadtime_leading_signal", "1 for the signal that asks for most."
    leaders = ((one.labels, vote.signal) for one in standings if (vote := leading(one.decision)) is not None)
    yield text.family(name, said, (f'{name}{{{labels},signal="{text.escaped(signal)}"}} 1\n' for labels, signal in leaders))
    name, said = "leadtime_scaler_info", "How a scaler works."
    yield text.family(name, said, (f"{name}{{{one.labels},{_ways(one)}}} 1\n" for one in standings))


def leading(decision: Decision) -> Vote | None:
    """Return the vote that asks for most of those that are believed; of several that ask for the same, the first."""
    serving = decision.trail[0].before if decision.trail else decision.current
    place, _ = combine.leader_of(decision.votes, serving)
    return None if place is None else decision.votes[place]


def _ways(one: Standing) -> str:
    pool = "Off" if one.mechanism is None else one.mechanism
    return f'mode="{one.policy.mode}",warm_pool="{pool}",forecast="{one.policy.forecast.mode}"'


def _of_signals(standings: Sequence[Standing]) -> Iterator[str]:
    votes = [(f'{one.labels},signal="{text.escaped(vote.signal)}"', vote) for one in standings for vote in one.decision.votes]
    for name, said, figure in _SIGNALS:
        known = ((labels, value) for labels, vote in votes if (value := figure(vote)) is not None)
        yield text.family(name, said, (f"{name}{{{labels}}} {value}\n" for labels, value in known))
    heard = [one for one in standings if one.decision.votes]
    name, said = "leadtime_signal_fresh", "1 while a signal is there and young enough to count, 0 while it is missed."
    fresh = ((one.labels, vote.signal, int(vote.fresh)) for one in heard for vote in _expected(one))
    yield text.family(name, said, (f'{name}{{{labels},signal="{text.escaped(of)}"}} {value}\n' for labels, of, value in fresh))
    name, said = "leadtime_signal_coverage_ratio", "Share of the pods that a signal speaks for."
    covered = ((one.labels, vote.signal, vote.coverage) for one in heard for vote in _covering(one))
    yield text.family(name, said, (f'{name}{{{labels},signal="{text.escaped(of)}"}} {value}\n' for labels, of, value in covered))


def _expected(one: Standing) -> Iterator[Vote]:
    """Yield the votes of signals that have something to say: one of pods has not while there are to be none."""
    for signal, reading, vote in zip(one.policy.signals, one.observation.readings, one.decision.votes, strict=True):
        if not demand.mute(signal, reading, current=one.observation.replicas):
            yield vote


def _covering(one: Standing) -> Iterator[Vote]:
    """Yield the votes that cover a share of something: of some pods, or of the one object that has a value."""
    for signal, reading, vote in zip(one.policy.signals, one.observation.readings, one.decision.votes, strict=True):
        if reading.reporting + reading.missing if signal.source is Source.PODS else vote.fresh:
            yield vote


_SIGNALS: tuple[tuple[str, str, Callable[[Vote], float | None]], ...] = (
    ("leadtime_signal_value", "A signal's value: of a replica, or of the object.", lambda vote: vote.value),
    ("leadtime_signal_target", "What a signal is compared with.", lambda vote: vote.target),
    ("leadtime_signal_demand", "How many replicas a signal asks for.", lambda vote: vote.demand),
    ("leadtime_metric_age_seconds", "Age of a signal's oldest sample when it was decided on.", lambda vote: vote.age_s),
)


def _startup(standings: Sequence[Standing]) -> Iterator[str]:
    name, said = "leadtime_startup_seconds", "How long a pod takes from its creation to ready."
    quantiles = (
        (one.labels, quantile, seconds)
        for one in standings
        for quantile, seconds in (("0.5", one.startup.p50_s), ("0.9", one.startup.p90_s), ("0.99", one.startup.p99_s))
    )
    yield text.family(
        name, said, (f'{name}{{{labels},quantile="{quantile}"}} {seconds}\n' for labels, quantile, seconds in quantiles)
    )


def _forecasts(standings: Sequence[Standing]) -> Iterator[str]:
    for name, said, figure in _PROSPECTS:
        known = ((one.labels, value) for one in standings if (value := figure(one)) is not None)
        yield text.family(name, said, (f"{name}{{{labels}}} {value}\n" for labels, value in known))
    name, said = "leadtime_forecast_replicas", "Quantiles of the largest load within the horizon, in replicas."
    quantiles = (
        (one.labels, quantile, load) for one in standings if one.outlook is not None for quantile, load in one.outlook.quantiles
    )
    yield text.family(name, said, (f'{name}{{{labels},quantile="{quantile}"}} {load}\n' for labels, quantile, load in quantiles))


def _offered(one: Standing) -> float | None:
    return None if one.offered is None else one.offered.replicas


def _realised(one: Standing) -> float | None:
    return None if one.outlook is None else one.outlook.realised


def _horizon(one: Standing) -> float | None:
    return None if one.outlook is None or one.outlook.forecast is None else one.outlook.forecast.horizon_s


def _loss_ratio(one: Standing) -> float | None:
    return None if one.outlook is None else one.outlook.ratio


def _coverage(one: Standing) -> float | None:
    return None if one.outlook is None else one.outlook.coverage


def _evaluations(one: Standing) -> float | None:
    return None if one.outlook is None else one.outlook.evaluations


def _gate(one: Standing) -> float | None:
    return None if one.outlook is None else int(one.outlook.forecast is not None and one.outlook.forecast.gate_open)


_PROSPECTS: tuple[tuple[str, str, Callable[[Standing], float | None]], ...] = (
    ("leadtime_offered_replicas", "The load that is offered, in replicas that it fills.", _offered),
    ("leadtime_forecast_horizon_seconds", "How far ahead the load is forecast.", _horizon),
    ("leadtime_forecast_realised_replicas", "The largest load of the last horizon, in replicas.", _realised),
    ("leadtime_forecast_loss_ratio", "Loss of the forecasts over that of the best reactive ones.", _loss_ratio),
    ("leadtime_forecast_coverage_ratio", "Share of the loads that were at most what was forecast.", _coverage),
    ("leadtime_forecast_evaluations", "Forecasts that the ratios are of.", _evaluations),
    ("leadtime_forecast_gate_open", "1 while the forecast may be used.", _gate),
)
