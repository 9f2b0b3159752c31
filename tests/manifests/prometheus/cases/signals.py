"""Cases of the alerts on what a scaler decides by: its signals and its forecast."""

from tests.manifests.prometheus.cases import Case, Fired, Shows, series
from tests.manifests.prometheus.cases.scalers import WHOSE

_SIGNAL = {**WHOSE, "signal": "gpu_utilization"}


def _own(name: str, leader: int = 0, **labels: str) -> str:
    said = {
        **WHOSE,
        **labels,
        "job": "leadtime-autoscaler",
        "pod": f"leadtime-autoscaler-{leader}",
        "instance": f"10.0.0.{leader}:8443",
    }
    return series(name, said)


_STALE = "LeadtimeSignalStale"
_FRESH = _own("leadtime_signal_fresh", signal="gpu_utilization")
_MISSED = Fired(
    _SIGNAL,
    "Signal gpu_utilization of llm/qwen is missing or too old.",
    "gpu_utilization of Deployment/qwen in llm cannot be counted on. Nothing is scaled down meanwhile, and what it would ask for"
    " is not seen.",
)
_FRESHNESS = (
    Case(
        _STALE, Shows.FIRES, "it is missed", "5m", {_FRESH: "0x9", _own("leadtime_signal_fresh", signal="queue"): "1x9"}, [_MISSED]
    ),
    Case(_STALE, Shows.BELOW, "it is fresh", "9m", {_FRESH: "1x9"}),
    Case(_STALE, Shows.TOO_SHORT, "for less than five minutes", "4m", {_FRESH: "0x9"}),
    Case(_STALE, Shows.TOO_SHORT, "it was there in between", "9m", {_FRESH: "0x4 1 0x9"}),
    Case(
        _STALE,
        Shows.FIRES,
        "another replica leads from now on",
        "6m",
        {_FRESH: "0x2 stale", _own("leadtime_signal_fresh", 1, signal="gpu_utilization"): "_x4 0x9"},
        [_MISSED],
    ),
    Case(_STALE, Shows.UNSEEN, "there are to be no pods that it could be of", "9m", {_FRESH: "1x3 stale"}),
    Case(_STALE, Shows.UNSEEN, "the controller went before it had lasted", "9m", {_FRESH: "0x2 stale"}),
)

_COVERAGE = "LeadtimeCoverageLow"
_RATIO = _own("leadtime_signal_coverage_ratio", signal="gpu_utilization")
_FEW = Fired(
    _SIGNAL,
    "Signal gpu_utilization speaks for too few pods of llm/qwen.",
    "gpu_utilization has a value of 75% of the pods of Deployment/qwen in llm. Nothing is scaled down on the word of so few.",
)
_COVERAGES = (
    Case(_COVERAGE, Shows.FIRES, "one pod of four has no value", "10m", {_RATIO: "0.75x20"}, [_FEW]),
    Case(_COVERAGE, Shows.BELOW, "one of five has none", "20m", {_RATIO: "0.8x20"}),
    Case(_COVERAGE, Shows.TOO_SHORT, "for less than ten minutes", "9m", {_RATIO: "0.75x20"}),
    Case(_COVERAGE, Shows.FIRES, "one failed scrape does not begin it anew", "10m", {_RATIO: "0.75x4 stale 0.75x20"}, [_FEW]),
    Case(_COVERAGE, Shows.UNSEEN, "there are no pods any more", "12m", {_RATIO: "0.75x4 stale"}),
)

_FORECAST = "LeadtimeForecastDegraded"


def _judged(ratio: str, evaluations: str = "900x200") -> dict[str, str]:
    return {_own("leadtime_forecast_loss_ratio"): ratio, _own("leadtime_forecast_evaluations"): evaluations}


_WORSE = Fired(
    WHOSE,
    "The forecast of llm/qwen is worse than none.",
    "The errors of the forecast of Deployment/qwen in llm have cost 1.5 times what those of the best reactive forecast have,"
    " within about a day. It is not used while that is so.",
)
_FORECASTS = (
    Case(_FORECAST, Shows.FIRES, "its errors cost half as much again", "120m", _judged("1.5x200"), [_WORSE]),
    Case(_FORECAST, Shows.BELOW, "they cost a fifth more", "200m", _judged("1.2x200")),
    Case(_FORECAST, Shows.BELOW, "too few have come due to tell", "200m", _judged("1.5x200", "199x200")),
    Case(_FORECAST, Shows.TOO_SHORT, "for less than two hours", "119m", _judged("1.5x200")),
    Case(_FORECAST, Shows.FIRES, "one failed scrape does not begin it anew", "120m", _judged("1.5x60 stale 1.5x100"), [_WORSE]),
    Case(_FORECAST, Shows.UNSEEN, "it has not been judged", "200m", _judged("_x200")),
)

CASES = (*_FRESHNESS, *_COVERAGES, *_FORECASTS)
