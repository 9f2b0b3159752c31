"""Every series that a dashboard may ask for, with its labels: our own from the code and its page, others' from their exporters."""

import re
from collections.abc import Iterator, Mapping

from prometheus_client import ProcessCollector
from prometheus_client.core import CollectorRegistry, Metric
from prometheus_client.parser import text_string_to_metric_families

from adapter.metric import Missing, ObjectRef, Reason, Sample
from adapter.sources import Batch
from adapter.telemetry import Telemetry
from autoscaler.sandbox.fleet.engine import Engine
from autoscaler.sandbox.fleet.gateway import GatewayPage
from autoscaler.sandbox.fleet.pages import Gpu, VllmPage, Workload, dcgm
from tests.docs.test_metrics_documented import SCALER_LABELS, documented
from tests.strategies import NOW, result, rule

#: What a scrape adds to every series.
OF_TARGETS = frozenset({"job", "instance", "pod"})
#: The controller's series that are of no scaler.
_OF_THE_LOOP = re.compile(
    r"leadtime_(leader|ticks|tick_|event_loop|kube_|watch_|decisions_|limit_applied|scale_requests|gpu_hour|forecast_late)"
)

#: Engines that no sandbox plays, as their presets know them.
_OTHERS: Mapping[str, frozenset[str]] = {
    "sglang:num_queue_reqs": frozenset({"model_name", "namespace"}),
    "sglang:time_to_first_token_seconds_bucket": frozenset({"model_name", "namespace", "le"}),
}
#: What a scrape without honoured labels makes of dcgm-exporter's own.
_EXPORTED = frozenset({"exported_namespace", "exported_pod"})


def labels() -> dict[str, frozenset[str]]:
    """Return the labels of every series by its name."""
    found = {name: OF_TARGETS | names for name, names in (*_controller(), *_adapter(), *_exporters(), *_OTHERS.items())}
    registry = CollectorRegistry()
    ProcessCollector(registry=registry)
    return found | {name: OF_TARGETS | more for name, more in _of(registry.collect())}


def _controller() -> Iterator[tuple[str, frozenset[str]]]:
    for name, (kind, own) in documented().items():
        known = frozenset(own) | (frozenset() if _OF_THE_LOOP.match(name) else SCALER_LABELS)
        yield from _written(name, kind, known)


def _adapter() -> Iterator[tuple[str, frozenset[str]]]:
    telemetry = Telemetry()
    pod = ObjectRef("pods", "team-a", "p0")
    works = result(rule("works"), {pod: Sample(1.0, NOW)}, missing={pod: Missing(Reason.BLANK)})
    telemetry.collected(Batch(source="prometheus", at=NOW, took_s=0.3, rows={}, down={}), [works])
    telemetry.requests.labels("metric", "200").inc()
    telemetry.read_seconds.observe(0.001)
    telemetry.freshness_of("custom.metrics.k8s.io").observe(1.0)
    return _of(text_string_to_metric_families(telemetry.render().decode()))


def _exporters() -> Iterator[tuple[str, frozenset[str]]]:
    gpu = Gpu(0, "GPU-0", 50.0, 100, Workload("team-a", "p0", "vllm"))
    page = VllmPage("model")
    page.update(Engine())
    gateway = GatewayPage("pool", "model").render(waiting=0, ready=0, accepted=0)
    for text in (page.render().decode(), gateway.decode()):
        for name, own in _of(text_string_to_metric_families(text)):
            yield name, own | {"namespace"}
    for name, own in _of(text_string_to_metric_families(dcgm("node", [gpu]))):
        yield name, own | _EXPORTED


def _of(families: Iterator[Metric]) -> Iterator[tuple[str, frozenset[str]]]:
    for family in families:
        for sample in family.samples:
            yield sample.name, frozenset(sample.labels)


def _written(name: str, kind: str, known: frozenset[str]) -> Iterator[tuple[str, frozenset[str]]]:
    if kind == "histogram":
        yield from ((f"{name}_{part}", known | ({"le"} if part == "bucket" else set())) for part in ("bucket", "sum", "count"))
    else:
        yield name, known
