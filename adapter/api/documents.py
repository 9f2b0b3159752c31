"""The bytes that answer a read: value lists, Status bodies, and which representation a reader accepts.

A list of 1,000 pods is one join: what depends on the sample was encoded when the sample was taken (`snapshot.encode`), and what
depends on the metric is encoded once per answer. Bodies are what Go's clients decode; the order of keys is Go's where it is free.
"""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import msgspec

from adapter import access, lookup, selector
from adapter.api import paths
from adapter.metric import Missing

#: aiohttp would add a charset; Go's external metrics client chooses its decoder by this very text.
JSON = "application/json"

#: How an answer describes objects of the resources that every cluster has.
BUILT_IN: Mapping[str, lookup.Kind] = {
    "pods": lookup.POD,
    "namespaces": lookup.NAMESPACE,
    "nodes": lookup.Kind("Node", "v1"),
    "services": lookup.Kind("Service", "v1"),
    "persistentvolumes": lookup.Kind("PersistentVolume", "v1"),
    "persistentvolumeclaims": lookup.Kind("PersistentVolumeClaim", "v1"),
    "replicationcontrollers": lookup.Kind("ReplicationController", "v1"),
    "deployments.apps": lookup.Kind("Deployment", "apps/v1"),
    "replicasets.apps": lookup.Kind("ReplicaSet", "apps/v1"),
    "statefulsets.apps": lookup.Kind("StatefulSet", "apps/v1"),
    "daemonsets.apps": lookup.Kind("DaemonSet", "apps/v1"),
    "jobs.batch": lookup.Kind("Job", "batch/v1"),
    "cronjobs.batch": lookup.Kind("CronJob", "batch/v1"),
    "ingresses.networking.k8s.io": lookup.Kind("Ingress", "networking.k8s.io/v1"),
}

_encode = msgspec.json.Encoder().encode


@dataclass(frozen=True, slots=True)
class Document:
    """A body that stays the same until the configuration changes, and its strong entity tag (quoted, as the header has it)."""

    body: bytes
    etag: str
    content_type: str = JSON

    @staticmethod
    def of(content: Mapping[str, object], content_type: str = JSON) -> "Document":
        """Return *content* encoded."""
        body = _encode(content)
        return Document(body, f'"{hashlib.sha256(body).hexdigest().upper()}"', content_type)

    def unchanged(self, if_none_match: str) -> bool:
        """Return whether a reader that sent this ``If-None-Match`` has the document already (answer 304)."""
        known = [tag.strip().removeprefix("W/") for tag in if_none_match.split(",")]
        return self.etag in known or known == ["*"]


def value_list(
    request: paths.ObjectValues | paths.NamespaceValues,
    items: Sequence[lookup.Item],
) -> bytes:
    """Return the ``MetricValueList`` that answers *request*, in the version that it asked for."""
    selected = label_selector(request.metric_label_selector)
    metric = _encode(request.metric)
    if request.version == "v1beta1":
        named, window_key = b'"metricName":%b,"selector":%b' % (metric, selected), b"window"
    else:
        named, window_key = b'"metric":{"name":%b,"selector":%b}' % (metric, selected), b"windowSeconds"
    windows: dict[float | None, bytes] = {}
    out: list[bytes] = []
    # Neighbours share their namespace and kind, as a rule all of them: a comparison costs a tenth of a look-up in a table.
    namespace, kind = None, None
    before = after = b""
    for item in items:
        ref, value = item.ref, item.value
        if item.kind is not kind or ref.namespace != namespace:
            namespace, kind = ref.namespace, item.kind
            before, after = _described(namespace, kind, named)
        window_s = value.sample.window_s
        tail = windows.get(window_s)
        if tail is None:
            tail = windows[window_s] = _window(window_key, window_s)
        out.append(b"".join((before, _encode(ref.name), after, value.encoded, tail)))
    return _list(b"MetricValueList", request.group, request.version, out)


def external_value_list(request: paths.ExternalValues, items: Iterable[lookup.Item]) -> bytes:
    """Return the ``ExternalMetricValueList`` that answers *request*."""
    metric = _encode(request.metric)
    out = [
        b'{"metricName":%b,"metricLabels":%b,%b%b'
        % (metric, _encode(item.labels or {}), item.value.encoded, _window(b"window", item.value.sample.window_s))
        for item in items
    ]
    return _list(b"ExternalMetricValueList", request.group, request.version, out)


def _described(namespace: str, kind: lookup.Kind, named: bytes) -> tuple[bytes, bytes]:
    """Return an item's bytes before and after the object's name, up to the sample."""
    scope = b'"namespace":%b,' % _encode(namespace) if namespace else b""
    before = b'{"describedObject":{"kind":%b,%b"name":' % (_encode(kind.kind), scope)
    return before, b',"apiVersion":%b},%b,' % (_encode(kind.api_version), named)


def _window(key: bytes, window_s: float | None) -> bytes:
    """Return an item's end; the API has whole seconds, and a window of none is as if there were no window."""
    return b"}" if window_s is None else b',"%b":%d}' % (key, max(1, round(window_s)))


def _list(kind: bytes, group: str, version: str, items: Sequence[bytes]) -> bytes:
    api_version = _encode(f"{group}/{version}")
    return b'{"kind":"%b","apiVersion":%b,"metadata":{},"items":[%b]}' % (kind, api_version, b",".join(items))


def status(code: int, reason: str, message: str, details: Mapping[str, object] | None = None) -> bytes:
    """Return a ``Status`` body: client-go shows its message, and HPA's condition ends with it."""
    body: dict[str, object] = {
        "kind": "Status",
        "apiVersion": "v1",
        "metadata": {},
        "status": "Failure",
        "message": message,
        "reason": reason,
    }
    if details is not None:
        body["details"] = details
    body["code"] = code
    return _encode(body)


def refused(refusal: paths.Refusal) -> bytes:
    """Return the ``Status`` of a request that `paths.parse` refused; it travels under ``refusal.code``."""
    return status(refusal.code, refusal.reason, refusal.message)


def missing(why: Missing, *, now: float) -> bytes:
    """Return the ``Status`` of a read that has no value; it travels under ``why.reason.http_status``."""
    code = why.reason.http_status
    return status(code, "NotFound" if code == 404 else "ServiceUnavailable", why.message(now=now))


def unauthorized() -> bytes:
    """Return the ``Status`` (401) of a request that nobody vouches for."""
    return status(401, "Unauthorized", "Unauthorized")


def forbidden(asked: access.Attributes, user: str, why: str = "") -> bytes:
    """Return the ``Status`` (403) in the API server's own words, so that whoever reads it knows which rule to write."""
    reason = f": {why}" if why else ""
    match asked:
        case access.NonResourceAttributes(verb=verb, path=path):
            sentence = _without_html(f"User {_quoted(user)} cannot {verb} path {_quoted(path)}")
            return status(403, "Forbidden", f"forbidden: {sentence}{reason}", {})
        case access.ResourceAttributes():
            resource = f"{asked.resource}/{asked.subresource}" if asked.subresource else asked.resource
            where = f"in the namespace {_quoted(asked.namespace)}" if asked.namespace else "at the cluster scope"
            sentence = _without_html(
                f"User {_quoted(user)} cannot {asked.verb} resource {_quoted(resource)} in API group {_quoted(asked.group)} {where}"
            )
            qualified = f"{asked.resource}.{asked.group}"
            subject = f"{qualified} {_quoted(asked.name)}" if asked.name else qualified
            named = {"name": asked.name} if asked.name else {}
            details = {**named, "group": asked.group, "kind": asked.resource}
            return status(403, "Forbidden", f"{subject} is forbidden: {sentence}{reason}", details)


def not_acceptable() -> bytes:
    """Return the ``Status`` (406) of a reader that takes no JSON."""
    return status(406, "NotAcceptable", f"only the following media types are accepted: {JSON}")


def internal_error(reference: str = "") -> bytes:
    """Return the ``Status`` (500) of a bug of ours; *reference* finds it in the log, which alone tells more."""
    what = f"the log has it under {reference}" if reference else "the log tells more"
    return status(500, "InternalError", f"Internal error occurred: {what}")


def unavailable(message: str) -> bytes:
    """Return the ``Status`` (503) of what cannot be answered now; never send ``Retry-After`` with it: HPA would sleep on it."""
    return status(503, "ServiceUnavailable", message)


def _quoted(text: str) -> str:
    return _encode(text).decode()


def _without_html(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


_EXPRESSIONS = {
    selector.Operator.EQUALS: "In",
    selector.Operator.DOUBLE_EQUALS: "In",
    selector.Operator.IN: "In",
    selector.Operator.NOT_EQUALS: "NotIn",
    selector.Operator.NOT_IN: "NotIn",
    selector.Operator.EXISTS: "Exists",
    selector.Operator.DOES_NOT_EXIST: "DoesNotExist",
}


def label_selector(wanted: selector.Selector) -> bytes:
    """Return *wanted* as a ``LabelSelector`` object.

    ``null`` says that everything is selected. It also stands for a selector that compares numbers (``>``, ``<``): a LabelSelector
    cannot, and one that said less would be wrong.
    """
    if wanted.everything or not all(each.operator in _EXPRESSIONS for each in wanted.requirements):
        return b"null"
    labels: dict[str, str] = {}
    expressions: list[dict[str, object]] = []
    for each in wanted.requirements:
        equal = each.operator in {selector.Operator.EQUALS, selector.Operator.DOUBLE_EQUALS}
        if equal and labels.setdefault(each.key, each.values[0]) == each.values[0]:
            continue
        expression: dict[str, object] = {"key": each.key, "operator": _EXPRESSIONS[each.operator]}
        if each.values:
            expression["values"] = each.values
        expressions.append(expression)
    document: dict[str, object] = {}
    if labels:
        document["matchLabels"] = labels
    if expressions:
        document["matchExpressions"] = expressions
    return _encode(document)


def accepts_json(accept: str) -> bool:
    """Return whether an ``Accept`` header (empty: there is none) lets us answer in JSON.

    The controller manager prefers protobuf and says ``application/vnd.kubernetes.protobuf, */*``: it takes JSON. A wish for
    kubectl's ``as=Table`` is answered with plain JSON, which kubectl prints.
    """
    if not accept.strip():
        return True
    return any(media in {JSON, "application/*", "*/*"} and quality(parameters) > 0 for media, parameters in media_types(accept))


def media_types(accept: str) -> list[tuple[str, Mapping[str, str]]]:
    """Return the media types of an ``Accept`` header, each with its parameters, as they stand there."""
    found: list[tuple[str, Mapping[str, str]]] = []
    for clause in accept.split(","):
        media, *parameters = clause.split(";")
        pairs = (parameter.partition("=") for parameter in parameters)
        found.append((media.strip().lower(), {key.strip().lower(): value.strip().strip('"') for key, _, value in pairs}))
    return found


def quality(parameters: Mapping[str, str]) -> float:
    """Return how welcome a media type or an encoding with these parameters is: 1 unless they say less, 0 for not at all."""
    try:
        return float(parameters.get("q", "1"))
    except ValueError:
        return 1.0


def version_info(version: str) -> dict[str, object]:
    """Return the content of ``/version`` for our *version*, such as ``0.1.0``."""
    major, _, rest = version.partition(".")
    return {"major": major, "minor": rest.partition(".")[0], "gitVersion": f"v{version}"}
