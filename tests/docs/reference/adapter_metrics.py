"""The adapter's own metrics, from a page that it serves after everything has happened once."""

from collections.abc import Iterator

from prometheus_client.core import Metric
from prometheus_client.parser import text_string_to_metric_families

from adapter.metric import Missing, ObjectRef, Reason
from adapter.rules import presets
from adapter.snapshot import RuleResult
from adapter.sources import Batch
from adapter.telemetry import Telemetry
from tests.docs.reference import table

_HEAD = """# Metrics of the adapter

`leadtime adapter` serves them at `/metrics` over TLS, to whom the API server lets (`leadtime-adapter-reader` in
`manifests/base/adapter/rbac.yaml`). They say how the adapter fares; the values that it serves to others are read at
`custom.metrics.k8s.io`. Those of the controller are on a [page of their own](../metrics.md).

This page is made of the code by `python -m tests.docs.generate`.
"""

_MEANINGS = """
- `kind` of a request is what was asked for, such as `custom`, `external`, `discovery`, `metrics` or `probe`.
- Of a histogram there are `_bucket`, with the label `le`, `_count` and `_sum`.
- `outcome` of a collection is `ok`, `partial`, `failed`, or `broken` where a defect of ours ended it.
- `rule` is its name, such as `vllm/inference_queue_size`; `source` the one of the configuration.
- `reason` is one of the causes that [a refusal](../troubleshooting.md) begins with.
- A series of a rule or of a source ends when the configuration no longer has it.
"""


def page() -> str:
    """Return the page."""
    rows = ([f"`{_name(each)}`", each.type, ", ".join(_labels(each)), f"{each.documentation.rstrip('.')}."] for each in families())
    return f"{_HEAD}\n{table(['name', 'type', 'labels', 'meaning'], rows)}\n{_MEANINGS}"


def families() -> Iterator[Metric]:
    """Yield what is exposed, in the order of its names."""
    found = text_string_to_metric_families(_everything_once().render().decode())
    yield from sorted((each for each in found if not each.name.endswith("_created")), key=_name)


def _name(family: Metric) -> str:
    return f"{family.name}_total" if family.type == "counter" else family.name


def _labels(family: Metric) -> list[str]:
    found = {label: None for sample in family.samples for label in sample.labels if label != "le"}
    return [f"`{label}`" for label in found]


def _everything_once() -> Telemetry:
    """Return the metrics of an adapter that has answered, collected, and missed a value."""
    telemetry = Telemetry()
    (rule,) = presets.rules("vllm", source="prometheus", only=["inference_queue_size"])
    telemetry.requests.labels("custom", "200").inc()
    telemetry.freshness_of("custom.metrics.k8s.io").observe(4.0)
    lost = {ObjectRef("pods", "llm", "vllm-0"): Missing(Reason.NO_SERIES)}
    telemetry.collected(
        Batch(source="prometheus", rows={}, took_s=0.1, at=1.0),
        [RuleResult(rule=rule, values={}, missing=lost, at=1.0)],
    )
    return telemetry


def names() -> frozenset[str]:
    """Return the names of all metrics and of their series."""
    return frozenset(name for family in families() for name in (_name(family), *(sample.name for sample in family.samples)))
