"""How each scaler stands after its last decision, as a page that Prometheus reads.

It is written line by line. Five thousand scalers have ninety thousand series: the library that writes the other metrics would take
two seconds of CPU for them at every scrape, and the control loop would feel it.
"""

import itertools
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

from autoscaler.decision.model import Decision, Observation, Vote
from autoscaler.decision.offered import Offered
from autoscaler.outlook import Outlook
from autoscaler.report.status import Startup
from autoscaler.resource.scaler import Scaler


@dataclass(frozen=True, slots=True)
class Standing:
    """One scaler; *labels* are those of all its series, as the page has them."""

    labels: str
    observation: Observation
    decision: Decision
    startup: Startup
    offered: Offered | None = None
    outlook: Outlook | None = None


def labels(scaler: Scaler) -> str:
    """Return the labels of a scaler's series. Nothing in them needs to be escaped: they are names of Kubernetes objects."""
    return f'namespace="{scaler.key.namespace}",scaler="{scaler.key.name}",target="{scaler.target}"'


def page(standings: Sequence[Standing], *, now: float) -> bytes:
    """Return all series of *standings* in the text format."""
    families = itertools.chain(_replicas(standings, now), _of_signals(standings), _startup(standings), _forecasts(standings))
    return b"".join(family.encode() for family in families)


def _family(name: str, text: str, samples: Iterable[str]) -> str:
    return "".join([f"# HELP {name} {text}\n# TYPE {name} gauge\n", *samples])


def _replicas(standings: Sequence[Standing], now: float) -> Iterator[str]:
    for name, text, figure in _FIGURES:
        yield _family(name, text, (f"{name}{{{one.labels}}} {figure(one)}\n" for one in standings))
    name, text = "leadtime_decision_age_seconds", "Age of the last decision."
    yield _family(name, text, (f"{name}{{{one.labels}}} {max(0.0, now - one.decision.at)}\n" for one in standings))


def _ready(one: Standing) -> int:
    return one.observation.pods.ready + one.observation.pods.warm_ready


def _starting(one: Standing) -> int:
    return one.observation.pods.starting + one.observation.pods.warm_starting


_FIGURES: tuple[tuple[str, str, Callable[[Standing], int]], ...] = (
    ("leadtime_desired_replicas", "Replicas decided on, warm ones included.", lambda one: one.decision.replicas),
    ("leadtime_current_replicas", "Replicas that the target asks for.", lambda one: one.observation.replicas),
    ("leadtime_serving_replicas", "Replicas decided on that are to get requests.", lambda one: one.decision.serving),
    ("leadtime_warm_replicas", "Replicas decided on that are to be ready without requests.", lambda one: one.decision.warm),
    ("leadtime_ready_replicas", "Pods that are ready, warm ones included.", _ready),
    ("leadtime_starting_replicas", "Pods on their way, warm ones included.", _starting),
)


def _of_signals(standings: Sequence[Standing]) -> Iterator[str]:
    votes = [(f'{one.labels},signal="{_escaped(vote.signal)}"', vote) for one in standings for vote in one.decision.votes]
    for name, text, figure in _SIGNALS:
        known = ((labels, value) for labels, vote in votes if (value := figure(vote)) is not None)
        yield _family(name, text, (f"{name}{{{labels}}} {value}\n" for labels, value in known))


_SIGNALS: tuple[tuple[str, str, Callable[[Vote], float | None]], ...] = (
    ("leadtime_signal_value", "A signal's value: of a replica, or of the object.", lambda vote: vote.value),
    ("leadtime_signal_target", "What a signal is compared with.", lambda vote: vote.target),
    ("leadtime_signal_demand", "How many replicas a signal asks for.", lambda vote: vote.demand),
    ("leadtime_metric_age_seconds", "Age of a signal's oldest sample when it was decided on.", lambda vote: vote.age_s),
)


def _startup(standings: Sequence[Standing]) -> Iterator[str]:
    name, text = "leadtime_startup_seconds", "How long a pod takes from its creation to ready."
    quantiles = (
        (one.labels, quantile, seconds)
        for one in standings
        for quantile, seconds in (("0.5", one.startup.p50_s), ("0.9", one.startup.p90_s), ("0.99", one.startup.p99_s))
    )
    yield _family(name, text, (f'{name}{{{labels},quantile="{quantile}"}} {seconds}\n' for labels, quantile, seconds in quantiles))


def _forecasts(standings: Sequence[Standing]) -> Iterator[str]:
    for name, text, figure in _PROSPECTS:
        known = ((one.labels, value) for one in standings if (value := figure(one)) is not None)
        yield _family(name, text, (f"{name}{{{labels}}} {value}\n" for labels, value in known))
    name, text = "leadtime_forecast_replicas", "Quantiles of the largest load within the horizon, in replicas."
    quantiles = (
        (one.labels, quantile, load) for one in standings if one.outlook is not None for quantile, load in one.outlook.quantiles
    )
    yield _family(name, text, (f'{name}{{{labels},quantile="{quantile}"}} {load}\n' for labels, quantile, load in quantiles))


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


def _escaped(text: str) -> str:
    """Return a metric's name as a label's value: it may be anything without blanks."""
    return text.replace("\\", "\\\\").replace('"', '\\"')
