"""Kubernetes objects as the JSON trees they are on the wire, and the few ways in which the sandbox looks into them.

An object that the store has handed out is shared: `clone` it before changing it.
"""

import datetime as dt
from collections.abc import Iterator
from typing import Any

Obj = dict[str, Any]


def clone(value: Any) -> Any:
    """Return a copy of a JSON tree that shares no container with it."""
    if isinstance(value, dict):
        return {key: clone(item) for key, item in value.items()}
    if isinstance(value, list):
        return [clone(item) for item in value]
    return value


def timestamp(at: float) -> str:
    """Return *at* (Unix seconds) as Kubernetes writes times: RFC 3339, UTC, whole seconds."""
    return dt.datetime.fromtimestamp(int(at), dt.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def seconds(stamp: str) -> float:
    """Return the Unix seconds of an RFC 3339 time."""
    return dt.datetime.fromisoformat(stamp).timestamp()


def name_of(obj: Obj) -> str:
    """Return the object's name."""
    return str(obj["metadata"].get("name", ""))


def namespace_of(obj: Obj) -> str:
    """Return the object's namespace, empty for a cluster-scoped one."""
    return str(obj["metadata"].get("namespace", ""))


def uid_of(obj: Obj) -> str:
    """Return the object's uid."""
    return str(obj["metadata"].get("uid", ""))


def labels_of(obj: Obj) -> dict[str, str]:
    """Return the object's labels."""
    return obj["metadata"].get("labels") or {}


def annotations_of(obj: Obj) -> dict[str, str]:
    """Return the object's annotations."""
    return obj["metadata"].get("annotations") or {}


def is_deleting(obj: Obj) -> bool:
    """Return whether the object waits for its end."""
    return "deletionTimestamp" in obj["metadata"]


def owners_of(obj: Obj) -> list[Obj]:
    """Return the object's ownerReferences."""
    return obj["metadata"].get("ownerReferences") or []


def controller_uid(obj: Obj) -> str:
    """Return the uid of the controller that owns *obj*, or nothing."""
    return next((str(owner["uid"]) for owner in owners_of(obj) if owner.get("controller")), "")


def dig(obj: Obj, *path: str) -> Any:
    """Return what stands at *path*, or None when the path breaks off."""
    value: Any = obj
    for part in path:
        if not isinstance(value, dict):
            return None
        value = value.get(part)
    return value


def condition(obj: Obj, type_: str) -> Obj | None:
    """Return the status condition of that type."""
    found: Iterator[Obj] = (item for item in dig(obj, "status", "conditions") or [] if item.get("type") == type_)
    return next(found, None)


def is_true(obj: Obj, type_: str) -> bool:
    """Return whether the status condition of that type is there and True."""
    found = condition(obj, type_)
    return found is not None and found.get("status") == "True"


def with_condition(conditions: list[Obj] | None, wanted: Obj, *, now: float) -> list[Obj]:
    """Return *conditions* with *wanted* in its place; its transition time moves only when its status does."""
    kept = [item for item in conditions or [] if item.get("type") != wanted["type"]]
    before = next((item for item in conditions or [] if item.get("type") == wanted["type"]), None)
    since = before.get("lastTransitionTime") if before and before.get("status") == wanted["status"] else None
    return [*kept, {**wanted, "lastTransitionTime": since or timestamp(now)}]
