"""Answer a request that was parsed and permitted: from the snapshot and the inventory, at a given time, as status and body."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import assert_never

from adapter import lookup, selector
from adapter.api import documents, explain, paths
from adapter.metric import Labels, MetricId, Missing, ObjectRef, Reason
from adapter.rules.model import EXTERNAL_RESOURCE, NAMESPACE_RESOURCE
from adapter.snapshot import RuleResult, Snapshot
from adapter.workload import Inventory, Pod


@dataclass(frozen=True, slots=True)
class Answer:
    """A status and a body, good until *expires_at* (Unix seconds) as long as snapshot and inventory stay what they are."""

    status: int
    body: bytes
    expires_at: float
    # When the oldest value in it was measured (Unix seconds); None when it has none.
    oldest_at: float | None = None


def read(request: paths.Read, snapshot: Snapshot, inventory: Inventory, *, now: float) -> Answer:
    """Return the value list that answers *request*, or the Status that says why there is none."""
    found = values(request, snapshot, inventory, now=now)
    if isinstance(found, Missing):
        # An age stands in the message: it may be repeated within a second, not longer.
        return Answer(found.reason.http_status, documents.missing(found, now=now), now + 1.0)
    oldest_at = min((item.value.sample.at for item in found.items), default=None)
    match request:
        case paths.ExternalValues():
            body = documents.external_value_list(request, found.items)
        case paths.ObjectValues() | paths.NamespaceValues():
            body = documents.value_list(request, found.items)
        case _:
            assert_never(request)
    return Answer(200, body, found.expires_at, oldest_at)


def values(request: paths.Read, snapshot: Snapshot, inventory: Inventory, *, now: float) -> lookup.Values | Missing:
    """Return what *request* asks for, as values."""
    part = _part(request.metric_label_selector)
    metric = request.metric
    match request:
        case paths.ExternalValues(namespace=namespace):
            return lookup.external(snapshot, namespace, metric, now=now, part=part)
        case paths.NamespaceValues(namespace=namespace):
            return lookup.of_namespace(snapshot, namespace, metric, now=now, part=part)
        case paths.ObjectValues():
            return _of_objects(request, snapshot, inventory, part, now=now)
        case _:
            assert_never(request)


def _part(wanted: selector.Selector) -> Callable[[Labels], bool] | None:
    return None if wanted.everything else wanted.matches


def _of_objects(
    request: paths.ObjectValues, snapshot: Snapshot, inventory: Inventory, part: lookup.Part | None, *, now: float
) -> lookup.Values | Missing:
    namespace, resource, metric = request.namespace, request.resource, request.metric
    name = _name(request)
    if resource == "pods":
        chosen = None if name == paths.ALL else inventory.pod(namespace, name)
        # A field selector narrows what the label selector matches; a pod that is asked for by its name is that pod.
        if chosen is not None and request.field_name and not request.label_selector.matches(chosen.labels):
            return Missing(Reason.SELECTOR_EMPTY, f"{request.label_selector} does not match pod {name} in {namespace}")
        if name == paths.ALL:
            return lookup.pods(snapshot, inventory, namespace, request.label_selector, metric, now=now, part=part)
        return lookup.pod(snapshot, inventory, namespace, name, metric, now=now, part=part)
    if name != paths.ALL:
        return lookup.named(snapshot, inventory, ObjectRef(resource, namespace, name), metric, now=now, part=part)
    if not request.label_selector.everything:
        detail = f"labels of {resource} are not watched: ask for them by name, or for all of them"
        return Missing(Reason.OBJECT_UNKNOWN, detail)
    return lookup.objects(snapshot, resource, namespace, metric, now=now, part=part)


def _name(request: paths.ObjectValues) -> str:
    return request.field_name or request.name


def explanation(request: paths.Read, snapshot: Snapshot, inventory: Inventory, *, now: float) -> explain.Json:
    """Return why the answer to *request* is what it is at *now*."""
    answer = values(request, snapshot, inventory, now=now)
    results, pods = _evidence(request, snapshot, inventory, now=now)
    return explain.read(request, answer, results, pods, now=now)


def _evidence(
    request: paths.Read, snapshot: Snapshot, inventory: Inventory, *, now: float
) -> tuple[Sequence[RuleResult], Sequence[Pod]]:
    """Return the results that *request* is answered from, and the live pods that it is about."""
    metric = request.metric
    match request:
        case paths.ExternalValues():
            return snapshot.by_metric.get(MetricId(EXTERNAL_RESOURCE, metric), ()), ()
        case paths.NamespaceValues():
            return snapshot.by_metric.get(MetricId(NAMESPACE_RESOURCE, metric), ()), ()
        case paths.ObjectValues(resource="pods", namespace=namespace):
            results = snapshot.by_metric.get(MetricId("pods", metric), ())
            if (name := _name(request)) == paths.ALL:
                return results, inventory.select(namespace, request.label_selector)
            live = inventory.pod(namespace, name)
            return results, [live] if live is not None else []
        case paths.ObjectValues(resource=resource, namespace=namespace):
            return lookup.evidence(snapshot, inventory, ObjectRef(resource, namespace, _name(request)), metric, now=now)
        case _:
            assert_never(request)
