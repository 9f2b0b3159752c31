"""InferenceScalers as users write them: a plain one to change, contradictions, and what hypothesis draws."""

import copy
from collections.abc import Iterable, Iterator
from typing import Any

from hypothesis import strategies as st

from autoscaler.resource import rules

Document = dict[str, Any]

ZONES = frozenset({"UTC", "Asia/Shanghai", "Europe/Berlin"})
#: Says whether a time zone exists, for tests that do not look at the machine's.
known_zone = ZONES.__contains__

GPU: Document = {
    "type": "Pods",
    "pods": {"metric": {"name": "DCGM_FI_DEV_GPU_UTIL"}, "target": {"type": "AverageValue", "averageValue": "70"}},
}
QUEUE: Document = {
    "type": "Pods",
    "pods": {"metric": {"name": "inference_queue_size"}, "target": {"type": "AverageValue", "averageValue": "10"}},
}
GATEWAY: Document = {
    "type": "External",
    "external": {"metric": {"name": "gateway_queue_size"}, "target": {"type": "AverageValue", "averageValue": 10}},
}
OFFICE: Document = {"name": "office", "start": "0 8 * * 1-5", "end": "0 20 * * 1-5", "timeZone": "Asia/Shanghai", "minReplicas": 2}


def scaler(**spec: Any) -> Document:
    """Return an InferenceScaler of a Deployment with the user's two metrics; *spec* changes its fields."""
    return {
        "apiVersion": "leadtime.dev/v1alpha1",
        "kind": "InferenceScaler",
        "metadata": {"name": "qwen", "namespace": "llm-inference"},
        "spec": {
            "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "vllm-qwen"},
            "maxReplicas": 8,
            "metrics": [copy.deepcopy(GPU), copy.deepcopy(QUEUE)],
            **spec,
        },
    }


def pods(name: str, **target: Any) -> Document:
    """Return a Pods metric."""
    return {"type": "Pods", "pods": {"metric": {"name": name}, "target": {"type": "AverageValue", **target}}}


def external(name: str, **target: Any) -> Document:
    """Return an External metric."""
    return {"type": "External", "external": {"metric": {"name": name}, "target": {"type": "Value", **target}}}


_ABOVE_ZERO = "a target is a quantity above zero"
_MEMBER = "with no other type"

#: Changes to the plain scaler that the API server refuses by itself, with words of its answer. `policy.read` refuses them too.
CONTRADICTIONS: tuple[tuple[Document, str], ...] = (
    ({"minReplicas": 9}, "minReplicas is above maxReplicas"),
    ({"metrics": []}, "give metrics or schedules"),
    ({"minReplicas": 0, "idle": {"zeroAfterSeconds": 600}}, rules.ZERO),
    ({"minReplicas": 0, "scaleDown": {"rule": "Target"}}, rules.ZERO),
    ({"warmPool": {"min": 2, "max": 1}}, "warmPool.min is above warmPool.max"),
    ({"warmPool": {"min": 1, "max": 8}}, "leaves no replica to serve"),
    ({"idle": {"replicas": 9}}, "idle.replicas is above maxReplicas"),
    ({"scaleDown": {"rule": "Band"}, "metrics": [QUEUE]}, rules.BAND),
    ({"startup": {"prior": {"p50Seconds": 61}}}, "p50Seconds is above p90Seconds"),
    ({"schedules": [{"name": "a", "start": "0 8 * * *", "end": "0 9 * * *"}]}, "give minReplicas, maxReplicas, or both"),
    ({"schedules": [{**OFFICE, "maxReplicas": 1}]}, "minReplicas is above maxReplicas"),
    ({"schedules": [OFFICE, OFFICE]}, "Duplicate value"),
    ({"metrics": [{"type": "Resource", "resource": {"name": "cpu", "target": {"type": "Utilization"}}}]}, rules.NOT_GPU),
    ({"metrics": [{"type": "ContainerResource", "containerResource": {"name": "cpu", "container": "a"}}]}, rules.NOT_GPU),
    ({"metrics": [{"type": "Pods"}]}, _MEMBER),
    ({"metrics": [{**QUEUE, "external": GATEWAY["external"]}]}, _MEMBER),
    ({"metrics": [pods("a", type="Value", value="1")]}, "each pod has a value of its own"),
    ({"metrics": [external("a", averageValue="1")]}, "give the one that type names"),
    ({"metrics": [external("a", averageValue="1", value="1")]}, "give the one that type names"),
    ({"metrics": [pods("a", averageValue="0")]}, _ABOVE_ZERO),
    ({"metrics": [pods("a", averageValue=0)]}, _ABOVE_ZERO),
    ({"metrics": [pods("a", averageValue="-1")]}, _ABOVE_ZERO),
    ({"metrics": [pods("a", averageValue="ten")]}, _ABOVE_ZERO),
    ({"metrics": [external("a", value="-1m")]}, _ABOVE_ZERO),
    ({"metrics": [pods("a/b", averageValue="1")]}, "should match"),
    ({"behavior": {"scaleUp": {"tolerance": "-0.1"}}}, "a tolerance is a quantity of at least zero"),
    ({"behavior": {"scaleDown": {"stabilizationWindowSeconds": 3601}}}, "less than or equal to 3600"),
    ({"behavior": {"scaleUp": {"policies": []}}}, "at least 1 items"),
    ({"behavior": {"scaleUp": {"policies": [{"type": "Pods", "value": 0, "periodSeconds": 15}]}}}, "greater than or equal to 1"),
    ({"behavior": {"scaleUp": {"policies": [{"type": "Pods", "value": 1, "periodSeconds": 1801}]}}}, "less than or equal to 1800"),
    ({"budget": {"maxGPUs": 0}}, "greater than or equal to 1"),
    ({"forecast": {"quantile": 1}}, "less than 1"),
    ({"mode": "auto"}, "supported values"),
    ({"signals": [{"metric": "inference_queue_size"}, {"metric": "inference_queue_size"}]}, "Duplicate value"),
)


# ── what hypothesis draws ────────────────────────────────────────────────────────────────────────────────────────────────────

_NAMES = ("DCGM_FI_DEV_GPU_UTIL", "inference_queue_size", "inference_requests_in_flight", "kv_cache_usage", "app_jobs")
_SECONDS = st.integers(0, 3600)
_QUANTITIES = st.one_of(st.integers(1, 10**9), st.integers(1, 10**9).map(str), st.integers(1, 10**9).map("{}m".format))


def _parts(**fields: st.SearchStrategy[Any]) -> st.SearchStrategy[Document]:
    """Draw a mapping with any of *fields*, some of them null."""
    nullable = {name: st.one_of(st.none(), values) for name, values in fields.items()}
    return st.fixed_dictionaries({}, optional=nullable)


@st.composite
def _metrics(draw: st.DrawFn) -> list[Document]:
    names = draw(st.lists(st.sampled_from(_NAMES), min_size=1, max_size=4, unique=True))
    found: list[Document] = [{**GPU}]
    for name in names:
        if name == "DCGM_FI_DEV_GPU_UTIL":
            continue
        metric: Document = {"name": name}
        if draw(st.booleans()):
            metric["selector"] = {"matchLabels": {"model": "qwen"}}
        member = draw(st.sampled_from(("pods", "object", "external")))
        by_value = member != "pods" and draw(st.booleans())
        target = {"type": "Value" if by_value else "AverageValue", "value" if by_value else "averageValue": draw(_QUANTITIES)}
        about: Document = {"metric": metric, "target": target}
        if member == "object":
            about["describedObject"] = {"kind": "Service", "name": "gateway"}
        found.append({"type": member.capitalize(), member: about})
    return found


def _rules() -> st.SearchStrategy[Document]:
    policy = st.fixed_dictionaries(
        {"type": st.sampled_from(("Pods", "Percent")), "value": st.integers(1, 200), "periodSeconds": st.integers(1, 1800)}
    )
    return _parts(
        stabilizationWindowSeconds=_SECONDS,
        selectPolicy=st.sampled_from(("Max", "Min", "Disabled")),
        policies=st.lists(policy, min_size=1, max_size=3),
        tolerance=st.sampled_from((0, "0.05", "200m")),
    )


@st.composite
def valid(draw: st.DrawFn) -> Document:
    """Draw an InferenceScaler without a contradiction."""
    most, least = draw(st.integers(4, 50)), draw(st.integers(0, 4))
    pool = draw(st.integers(0, 3))
    metrics = draw(_metrics())
    survives = any(metric["type"] != "Pods" for metric in metrics)
    idle: Document | None = draw(_parts(replicas=st.integers(1, 4), afterSeconds=_SECONDS))
    if idle is not None and (survives or least > 0) and draw(st.booleans()):
        idle["zeroAfterSeconds"] = draw(_SECONDS)
    spec = draw(
        _parts(
            mode=st.sampled_from(("Recommend", "Auto", "Paused")),
            behavior=_parts(scaleUp=_rules(), scaleDown=_rules()),
            scaleDown=_parts(
                rule=st.sampled_from(("Consolidation", "Band")),
                bandRatio=st.sampled_from((0.1, 0.5)),
                cooldownSeconds=_SECONDS,
                minCoverageRatio=st.sampled_from((0, 0.8, 1)),
            ),
            startup=_parts(prior=_parts(p50Seconds=st.integers(1, 60), p90Seconds=st.integers(60, 600))),
            forecast=_parts(mode=st.sampled_from(("Off", "Gated", "Always")), quantile=st.sampled_from((0.5, 0.99))),
            warmPool=st.just({"min": pool // 2, "max": pool}),
            schedules=st.just([OFFICE]),
            onMissing=_parts(behavior=st.sampled_from(("Hold", "Static")), replicas=st.integers(0, 4), failOpen=st.booleans()),
            budget=_parts(maxGPUs=st.integers(1, 64)),
            urgent=_parts(ratio=st.sampled_from((1, 2.5)), disabled=st.booleans()),
            conflictPolicy=st.sampled_from(("Yield", "Reassert")),
        )
    )
    return scaler(**spec, minReplicas=least, maxReplicas=most, metrics=metrics, idle=idle)


#: Whatever JSON, or a YAML file with dates and odd keys, can hold.
anything = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=8), st.dates(), st.sampled_from(_NAMES)),
    lambda inside: st.one_of(
        st.lists(inside, max_size=3),
        st.dictionaries(st.one_of(st.text(max_size=4), st.sampled_from(("type", "pods", "metric", "min"))), inside, max_size=3),
    ),
    max_leaves=8,
)


def places(node: object, place: tuple[str | int, ...] = ()) -> Iterator[tuple[str | int, ...]]:
    """Yield every place in a document."""
    inside: Iterable[tuple[str | int, object]] = ()
    if isinstance(node, dict):
        inside = node.items()
    elif isinstance(node, list):
        inside = enumerate(node)
    for step, below in inside:
        yield (*place, step)
        yield from places(below, (*place, step))


@st.composite
def spoilt(draw: st.DrawFn) -> Document:
    """Draw an InferenceScaler in which something, somewhere, is something else."""
    document = copy.deepcopy(draw(valid()))
    place = draw(st.sampled_from(list(places(document))))
    node: Any = document
    for step in place[:-1]:
        node = node[step]
    node[place[-1]] = draw(anything)
    return document
