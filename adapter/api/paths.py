"""From a request's method and raw target to one of a closed set of requests, or to the Status that refuses it.

The target is taken as it came over the wire: it is split at its slashes first and each segment is decoded exactly once, so that
``%2F`` cannot move a boundary that an authorisation was given for. Nothing is normalised and nothing is redirected (the
aggregation layer answers 502 for a redirect). What a request is authorised as (`attributes`) follows Kubernetes' own RequestInfo;
a target for which the two readings could differ is refused.
"""

import enum
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import assert_never
from urllib import parse as urls

from adapter import access, selector
from adapter.rules.model import EXTERNAL_RESOURCE, NAMESPACE_RESOURCE

CUSTOM_GROUP = "custom.metrics.k8s.io"
EXTERNAL_GROUP = "external.metrics.k8s.io"
#: Preferred version first.
CUSTOM_VERSIONS = ("v1beta2", "v1beta1")
EXTERNAL_VERSIONS = ("v1beta1",)

#: Every object of a kind, in place of a name.
ALL = "*"

#: What etcd and the API server's own limits let a header grow to; a selector that needs more is not a selector.
MAX_TARGET_BYTES = 64 * 1024
#: Kubernetes' longest name. It also bounds what a search for similar metric names has to look at.
MAX_SEGMENT_CHARS = 253
#: HPA copies a message into its condition, and a hostile name need not come back whole.
MAX_MESSAGE_CHARS = 200
_MAX_QUERY_KEYS = 64
_YES = frozenset({"1", "true"})

_BROKEN_ESCAPE = re.compile(r"%(?![0-9A-Fa-f]{2})")
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")
_DNS_LABEL = re.compile(r"[a-z0-9](?:[-a-z0-9]{0,61}[a-z0-9])?")
_RESOURCE = re.compile(rf"{_DNS_LABEL.pattern}(?:\.{_DNS_LABEL.pattern})*")

# RequestInfo reads these words in a resource's place as a verb or as a part of the namespace object itself; the last two are
# where values of other request kinds are kept, which are authorised in another way.
_NOT_RESOURCES = frozenset({"watch", "proxy", "namespaces", "status", "finalize", NAMESPACE_RESOURCE, EXTERNAL_RESOURCE})


@dataclass(frozen=True, slots=True)
class Groups:
    """The API groups that are served; None for *external* serves none of it."""

    custom: str = CUSTOM_GROUP
    external: str | None = None

    def versions(self) -> dict[str, tuple[str, ...]]:
        """Return every group that is served with its versions, the preferred one first."""
        served: dict[str, tuple[str, ...]] = {self.custom: CUSTOM_VERSIONS}
        if self.external is not None:
            served[self.external] = EXTERNAL_VERSIONS
        return served


@dataclass(frozen=True, slots=True, kw_only=True)
class ObjectValues:
    """A metric of one object, or of all (``*``) that the label selector matches; *namespace* is empty for root-scoped ones."""

    group: str
    version: str
    namespace: str
    resource: str
    name: str
    metric: str
    label_selector: selector.Selector
    metric_label_selector: selector.Selector
    field_name: str | None = None  # fieldSelector=metadata.name=…, which narrows `*` to one object
    warning: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class NamespaceValues:
    """A metric that describes a namespace itself."""

    group: str
    version: str
    namespace: str
    metric: str
    metric_label_selector: selector.Selector
    warning: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ExternalValues:
    """A metric that describes no object; its selector is about the metric's own labels."""

    group: str
    version: str
    namespace: str
    metric: str
    metric_label_selector: selector.Selector
    warning: str = ""


Read = ObjectValues | NamespaceValues | ExternalValues


@dataclass(frozen=True, slots=True)
class Explain:
    """Why the values of *read* are what they are, or missing.

    *path* is where it was asked under ``/explain``. It is empty for ``?explain=true`` beside the read itself, which is how a
    question passes the aggregation layer; whoever may read the values may then read why they are so.
    """

    read: Read
    path: str = ""


@dataclass(frozen=True, slots=True)
class Group:
    """Discovery: a group's versions."""

    group: str


@dataclass(frozen=True, slots=True)
class GroupVersion:
    """Discovery: the resources of one version of a group."""

    group: str
    version: str


@dataclass(frozen=True, slots=True)
class Schema:
    """The OpenAPI v3 document of one version of a group."""

    group: str
    version: str


@dataclass(frozen=True, slots=True)
class Probe:
    """A health question: *endpoint* is ``healthz``, ``livez`` or ``readyz``; *check* names one of its checks, or is empty."""

    endpoint: str
    check: str = ""
    verbose: bool = False


class Page(enum.Enum):
    """The requests without parameters, by their paths."""

    GROUPS = "/apis"
    OPENAPI_V2 = "/openapi/v2"
    OPENAPI_V3 = "/openapi/v3"
    VERSION = "/version"
    TELEMETRY = "/metrics"
    EXPLAIN_RULES = "/explain/rules"
    EXPLAIN_SOURCES = "/explain/sources"


Request = Read | Explain | Group | GroupVersion | Schema | Probe | Page


@dataclass(frozen=True, slots=True)
class Refusal:
    """What a Status body says of a request that is none of ours: HTTP status, machine-readable reason, and a sentence."""

    code: int
    reason: str
    message: str


class _RefusedError(Exception):
    """Carries a refusal from wherever it is noticed up to `parse`."""

    def __init__(self, code: int, reason: str, message: str) -> None:
        super().__init__(message)
        short = message if len(message) <= MAX_MESSAGE_CHARS else message[: MAX_MESSAGE_CHARS - 1] + "…"
        self.refusal = Refusal(code, reason, short)


def _not_found(message: str) -> _RefusedError:
    return _RefusedError(404, "NotFound", message)


def _bad_request(message: str) -> _RefusedError:
    return _RefusedError(400, "BadRequest", message)


_DEFAULT_GROUPS = Groups()


def parse(method: str, raw_target: str, groups: Groups = _DEFAULT_GROUPS) -> Request | Refusal:
    """Return what is asked for by *method* and *raw_target*, the request line's path and query, still percent-encoded.

    Never raises: whatever is not one of the requests comes back as the `Refusal` to answer with.
    """
    if method != "GET":
        return Refusal(405, "MethodNotAllowed", f"{method[:20]} is not supported: metrics are read only, use GET")
    path, _, query = raw_target.partition("?")
    try:
        _check_text(raw_target)
        return _route(_segments(path), query, groups)
    except _RefusedError as refused:
        return refused.refusal


def attributes(request: Request) -> access.Attributes:
    """Return what the reader needs permission for, as the API server's RequestInfo reads the same path."""
    match request:
        case ObjectValues():
            return access.ResourceAttributes(
                verb="get",
                namespace=request.namespace,
                group=request.group,
                version=request.version,
                resource=request.resource,
                subresource=request.metric,
                name=request.name,
            )
        case NamespaceValues():
            return access.ResourceAttributes(
                verb="get",
                namespace=request.namespace,
                group=request.group,
                version=request.version,
                resource="metrics",
                name=request.metric,
            )
        case ExternalValues():
            return access.ResourceAttributes(
                verb="list",  # its path ends at the resource: no name makes a get a list
                namespace=request.namespace,
                group=request.group,
                version=request.version,
                resource=request.metric,
            )
        case Explain(read=read, path=""):
            return attributes(read)
        case Explain(path=path):
            return access.NonResourceAttributes(verb="get", path=path)
        case Group(group=group):
            return access.NonResourceAttributes(verb="get", path=f"/apis/{group}")
        case GroupVersion(group=group, version=version):
            return access.NonResourceAttributes(verb="get", path=f"/apis/{group}/{version}")
        case Schema(group=group, version=version):
            return access.NonResourceAttributes(verb="get", path=f"/openapi/v3/apis/{group}/{version}")
        case Probe(endpoint=endpoint, check=check):
            return access.NonResourceAttributes(verb="get", path=f"/{endpoint}/{check}" if check else f"/{endpoint}")
        case Page():
            return access.NonResourceAttributes(verb="get", path=request.value)
        case _:
            assert_never(request)


def _check_text(raw_target: str) -> None:
    try:
        size_bytes = len(raw_target.encode())
    except UnicodeEncodeError:
        raise _bad_request("the request target is not valid UTF-8") from None
    if size_bytes > MAX_TARGET_BYTES:
        message = f"the request target has {size_bytes} bytes, and {MAX_TARGET_BYTES} are the most: shorten the selector"
        raise _RefusedError(414, "RequestURITooLong", message)
    if _BROKEN_ESCAPE.search(raw_target):
        raise _bad_request("the request target has a % that is not followed by two hexadecimal digits")


def _segments(path: str) -> list[str]:
    """Return the path's segments, each decoded once."""
    if not path.startswith("/") or path == "/":
        raise _not_found("the server could not find the requested resource")
    return [_segment(raw) for raw in path[1:].split("/")]


def _segment(raw: str) -> str:
    try:
        text = urls.unquote_to_bytes(raw).decode() if "%" in raw else raw
    except UnicodeDecodeError:
        raise _not_found("a path segment is not valid UTF-8") from None
    if not text:
        raise _not_found("the path has an empty segment or ends with a slash: it is not normalised")
    if text in {".", ".."}:
        raise _not_found("the path has a segment of dots only: it is not normalised")
    if "/" in text or "%" in text:
        raise _not_found("a path segment holds / or %, which no name that is served here can")
    if len(text) > MAX_SEGMENT_CHARS:
        raise _not_found(f"a path segment has {len(text)} characters, and {MAX_SEGMENT_CHARS} are the most of any name")
    if _CONTROL.search(text):
        raise _not_found("a path segment holds a control character")
    return text


def _route(parts: Sequence[str], query: str, groups: Groups) -> Request:
    versions = groups.versions()
    match parts:
        case ["apis", group] if group in versions:
            return Group(group)
        case ["apis", group, version] if version in versions.get(group, ()):
            return GroupVersion(group, version)
        case ["apis", group, version, *tail] if version in versions.get(group, ()):
            asked = _query(query)
            read = _read(group, version, tail, asked, groups)
            return Explain(read) if asked.get("explain", "").lower() in _YES else read
        case ["openapi", "v3", "apis", group, version] if version in versions.get(group, ()):
            return Schema(group, version)
        case ["healthz" | "livez" | "readyz" as endpoint, *check] if len(check) <= 1:
            return Probe(endpoint, "".join(check), verbose="verbose" in _query(query))
        case _:
            path = "/" + "/".join(parts)
    if path in _PAGES:
        return Page(path)
    if parts[0] == "explain":
        return Explain(_explained(parts[1:], _query(query), groups), path)
    raise _not_found("the server could not find the requested resource")


_PAGES = frozenset(page.value for page in Page)


def _explained(tail: Sequence[str], query: dict[str, str], groups: Groups) -> Read:
    """Return the read that ``/explain/…`` asks about: the custom group's paths, or the external one's under ``external``."""
    if groups.external is not None and len(tail) == 4 and tail[0] == "external":
        return _read(groups.external, EXTERNAL_VERSIONS[0], tail[1:], query, groups)
    return _read(groups.custom, CUSTOM_VERSIONS[0], tail, query, groups)


def _read(group: str, version: str, tail: Sequence[str], query: dict[str, str], groups: Groups) -> Read:
    warning = _warning(query)
    if group == groups.external:
        return _external(group, version, tail, query, warning)
    match tail:
        case ["namespaces", namespace, "metrics", metric]:
            return NamespaceValues(
                group=group,
                version=version,
                namespace=_namespace(namespace),
                metric=metric,
                metric_label_selector=_selector(query, "metricLabelSelector"),
                warning=warning,
            )
        case ["namespaces", namespace, resource, name, metric]:
            return _objects(group, version, _namespace(namespace), resource, name, metric, query, warning)
        case ["pods", _, _]:
            raise _not_found("pods have a namespace: ask under namespaces/NAMESPACE/pods")
        case [resource, name, metric]:
            return _objects(group, version, "", resource, name, metric, query, warning)
        case _:
            forms = "namespaces/NAMESPACE/RESOURCE/NAME/METRIC, namespaces/NAMESPACE/metrics/METRIC or RESOURCE/NAME/METRIC"
            raise _not_found(f"the server could not find the requested resource: a metric's path is {forms}")


def _objects(
    group: str, version: str, namespace: str, resource: str, name: str, metric: str, query: dict[str, str], warning: str
) -> ObjectValues:
    if resource in _NOT_RESOURCES or not _RESOURCE.fullmatch(resource):
        raise _not_found(f"no resource is named {resource}: metrics describe objects such as pods or deployments.apps")
    field_name = _field_name(query)
    if field_name is not None and name not in {ALL, field_name}:
        raise _bad_request("fieldSelector metadata.name doesn't match requested name")
    return ObjectValues(
        group=group,
        version=version,
        namespace=namespace,
        resource=resource,
        name=name,
        metric=metric,
        label_selector=_selector(query, "labelSelector"),
        metric_label_selector=_selector(query, "metricLabelSelector"),
        field_name=field_name,
        warning=warning,
    )


def _external(group: str, version: str, tail: Sequence[str], query: dict[str, str], warning: str) -> ExternalValues:
    match tail:
        # RequestInfo takes these two for parts of the namespace object, not for metrics.
        case ["namespaces", _, "status" | "finalize" as word]:
            raise _not_found(f"no external metric can be named {word}")
        case ["namespaces", namespace, metric]:
            if query.get("watch", "false").lower() not in {"false", "0"}:
                raise _RefusedError(405, "MethodNotAllowed", f"watch is not supported on resources of kind {metric}.{group}")
            if query.get("fieldSelector"):
                raise _bad_request("fieldSelector is not supported: an external metric has no object with fields")
            return ExternalValues(
                group=group,
                version=version,
                namespace=_namespace(namespace),
                metric=metric,
                metric_label_selector=_selector(query, "labelSelector"),
                warning=warning,
            )
        case _:
            form = "namespaces/NAMESPACE/METRIC"
            raise _not_found(f"the server could not find the requested resource: an external metric's path is {form}")


def _namespace(text: str) -> str:
    if not _DNS_LABEL.fullmatch(text):
        raise _not_found(f"no namespace can be named {text}: a namespace's name is a DNS label")
    return text


def _query(query: str) -> dict[str, str]:
    """Return each key's first value, as Go's handlers read them."""
    try:
        pairs = urls.parse_qsl(query, keep_blank_values=True, errors="strict", max_num_fields=_MAX_QUERY_KEYS)
    except UnicodeDecodeError:
        raise _bad_request("the query is not valid UTF-8") from None
    except ValueError:
        raise _bad_request(f"the query has more than {_MAX_QUERY_KEYS} parameters") from None
    found: dict[str, str] = {}
    for key, value in pairs:
        found.setdefault(key, value)
    return found


def _selector(query: dict[str, str], key: str) -> selector.Selector:
    try:
        return selector.parse(query.get(key, ""))
    except selector.SelectorError as error:
        raise _bad_request(f"{key}: {error}") from error


def _field_name(query: dict[str, str]) -> str | None:
    text = query.get("fieldSelector", "")
    if not text:
        return None
    field, equals, name = text.partition("=")
    name = name.removeprefix("=")
    if field.strip() != "metadata.name" or not equals or not name or set(name) & set(",=!\\"):
        raise _bad_request("fieldSelector: only metadata.name=NAME can be selected on")
    return name


def _warning(query: dict[str, str]) -> str:
    # prometheus-adapter's walkthrough asks with ?selector=, which no server reads: every pod comes back.
    if "selector" in query and "labelSelector" not in query:
        return "the query parameter selector is not read: the label selector's name is labelSelector"
    return ""
