"""managedFields: who set which field last, as the API server records it for writes that are no server-side apply.

A list is one field here, and a map that somebody made is not a field beside its entries: the real record is finer in both. What
was set through ``/scale`` has no time, as in the real one.
"""

from collections.abc import Iterator
from typing import Any

from autoscaler.sandbox.objects import Obj, timestamp

CONTROLLERS = "kube-controller-manager"  # whoever writes without saying who it is

_Path = tuple[str, ...]

_NOBODYS = frozenset(
    {"name", "namespace", "uid", "resourceVersion", "creationTimestamp", "generation", "managedFields", "selfLink"},
)
_MISSING = object()


def after_write(before: Obj | None, after: Obj, *, manager: str, subresource: str, now: float) -> list[Obj]:
    """Return *after*'s managedFields once *manager* has made it of *before* (None: has created it)."""
    old, new = dict(_fields(before or {})), dict(_fields(after))
    changed = {path for path, value in new.items() if old.get(path, _MISSING) != value}
    gone = old.keys() - new.keys()
    kept: list[Obj] = []
    mine: set[_Path] = set()
    since = "" if subresource == "scale" else timestamp(now)
    for entry in (before or {}).get("metadata", {}).get("managedFields") or ():
        held = set(_read(entry["fieldsV1"]))
        if (entry["manager"], entry["apiVersion"], entry.get("subresource", "")) == (manager, after["apiVersion"], subresource):
            mine = held - gone
            since = since if changed else entry.get("time", "")
        elif left := held - gone - changed:
            kept.append(entry if left == held else {**entry, "fieldsV1": _written(left)})
    mine |= changed
    if mine:
        made: Obj = {"manager": manager, "operation": "Update", "apiVersion": after["apiVersion"]}
        made |= {"fieldsType": "FieldsV1", "fieldsV1": _written(mine)}
        optional = {"time": since, "subresource": subresource}
        kept.append(made | {key: value for key, value in optional.items() if value})
    return sorted(kept, key=lambda entry: (entry.get("time", ""), entry["manager"]))


def _fields(obj: Obj) -> Iterator[tuple[_Path, Any]]:
    """Yield the path and the value of every field that somebody can own."""
    for key, value in obj.items():
        if key == "metadata":
            owned = {name: below for name, below in value.items() if name not in _NOBODYS}
            yield from _below(("f:metadata",), owned)
        elif key not in {"apiVersion", "kind"}:
            yield from _below((f"f:{key}",), value)


def _below(path: _Path, value: Any) -> Iterator[tuple[_Path, Any]]:
    if isinstance(value, dict) and value:
        for key, below in value.items():
            yield from _below((*path, f"f:{key}"), below)
    else:
        yield path, value


def _read(fields: Obj, above: _Path = ()) -> Iterator[_Path]:
    for key, below in fields.items():
        if below:
            yield from _read(below, (*above, key))
        else:
            yield (*above, key)


def _written(paths: set[_Path]) -> Obj:
    root: Obj = {}
    for path in sorted(paths):
        place = root
        for key in path:
            place = place.setdefault(key, {})
    return root
