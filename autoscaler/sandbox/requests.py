"""What a request asks for, read from its line and headers: the attributes that authorisation and routing decide by."""

from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import unquote

from autoscaler.sandbox import faults

_VERBS = {"GET": "get", "HEAD": "get", "POST": "create", "PUT": "update", "PATCH": "patch", "DELETE": "delete"}
_NAMESPACE_OWN = frozenset({"status", "finalize"})
_TRUE = frozenset({"1", "true", "True", "TRUE", "t", "T"})


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestInfo:
    """A request as RBAC sees it. Without *resource* it is about a path: a discovery document, a probe."""

    verb: str
    path: str
    group: str = ""
    version: str = ""
    namespace: str = ""
    resource: str = ""
    subresource: str = ""
    name: str = ""
    rest: tuple[str, ...] = ()  # what stands after the subresource


def is_true(value: str | None) -> bool:
    """Return whether a query parameter says yes."""
    return value in _TRUE


def read(method: str, raw_path: str, query: Mapping[str, str]) -> RequestInfo:
    """Return what *method* on *raw_path* (percent-encoded, without its query) asks for."""
    path = unquote(raw_path)
    parts = [unquote(part) for part in raw_path.split("/")[1:]]
    verb = _VERBS.get(method, method.lower())
    if parts[0] == "api" and len(parts) > 2:
        group, version, parts = "", parts[1], parts[2:]
    elif parts[0] == "apis" and len(parts) > 3:
        group, version, parts = parts[1], parts[2], parts[3:]
    else:
        return RequestInfo(verb=verb, path=path)
    if not parts[0]:
        return RequestInfo(verb=verb, path=path)
    namespace = ""
    if parts[0] == "namespaces" and len(parts) > 1:
        namespace = parts[1]
        if len(parts) > 2 and parts[2] not in _NAMESPACE_OWN:
            parts = parts[2:]
    resource, name, subresource, *rest = (*parts, "", "")[: max(3, len(parts))]
    if not name:
        if verb == "get":
            verb = "watch" if is_true(query.get("watch")) else "list"
        elif verb == "delete":
            verb = "deletecollection"
        if verb in {"list", "watch", "deletecollection"}:
            name = _only_name(query.get("fieldSelector", ""))
    return RequestInfo(
        verb=verb,
        path=path,
        group=group,
        version=version,
        namespace=namespace,
        resource=resource,
        subresource=subresource,
        name=name,
        rest=tuple(rest),
    )


def _only_name(field_selector: str) -> str:
    for term in field_selector.split(","):
        field, equal, value = term.partition("=")
        if field == "metadata.name" and equal:
            return value.lstrip("=")
    return ""


@dataclass(frozen=True, slots=True)
class Representation:
    """How the client wants objects: in full, their metadata only, or as rows of a table."""

    metadata_only: bool = False
    table: bool = False


def representation(accept: str, *, tables: bool = False) -> Representation:
    """Return the first representation in an Accept header that can be written, *tables* among them; 406 when there is none."""
    if not accept:
        return Representation()
    for clause in accept.split(","):
        media, *parameters = (part.strip() for part in clause.split(";"))
        options = dict(part.split("=", 1) for part in parameters if "=" in part)
        if media not in {"application/json", "application/*", "*/*"}:
            continue
        shape = options.get("as", "")
        if not shape:
            return Representation()
        if shape in {"PartialObjectMetadata", "PartialObjectMetadataList"} and options.get("g") == "meta.k8s.io":
            return Representation(metadata_only=True)
        if tables and shape == "Table" and (options.get("g"), options.get("v")) == ("meta.k8s.io", "v1"):
            return Representation(table=True)
    raise faults.not_acceptable()


def content_type(header: str) -> str:
    """Return the media type of a Content-Type header, without parameters."""
    return header.partition(";")[0].strip().lower()
