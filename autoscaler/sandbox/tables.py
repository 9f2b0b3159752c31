"""What ``kubectl get`` shows of a custom kind: the columns of its definition, as the API server prints them.

Paths are the plain ones that definitions are written with, and ``[?(@.type=="Ready")]``; built-in kinds have no tables here, and
kubectl prints their names and ages by itself.
"""

import re
from collections.abc import Sequence
from typing import Any

from autoscaler.sandbox.listing import partial
from autoscaler.sandbox.objects import Obj, seconds
from autoscaler.sandbox.registry import Kind

_NAME: Obj = {"name": "Name", "type": "string", "format": "name", "description": "", "priority": 0}
_AGE: Obj = {"name": "Age", "type": "date", "jsonPath": ".metadata.creationTimestamp"}
_STEP = re.compile(r'\.([A-Za-z0-9_-]+)|\[\?\(@\.([A-Za-z]+)=="([^"]*)"\)\]')


def table(kind: Kind, objects: Sequence[Obj], *, metadata: Obj, now: float) -> Obj:
    """Return *objects* as a Table, with the *metadata* of the list or of the object that was asked for."""
    columns = kind.columns or (_AGE,)
    return {
        "kind": "Table",
        "apiVersion": "meta.k8s.io/v1",
        "metadata": metadata,
        "columnDefinitions": [_NAME, *(_definition(column) for column in columns)],
        "rows": [
            {"cells": [obj["metadata"]["name"], *(_cell(column, obj, now) for column in columns)], "object": partial(obj)}
            for obj in objects
        ],
    }


def _definition(column: Obj) -> Obj:
    optional = {"format": "", "description": "", "priority": 0}
    return {"name": column["name"], "type": column["type"], **{key: column.get(key, empty) for key, empty in optional.items()}}


def _cell(column: Obj, obj: Obj, now: float) -> Any:
    value = _at(obj, column["jsonPath"])
    if value is None:
        return None
    if column["type"] == "date":
        return age(now - seconds(str(value)))
    return str(value) if column["type"] == "string" else value


def _at(obj: Obj, path: str) -> Any:
    found: Any = obj
    for name, key, wanted in _STEP.findall(path):
        if name:
            found = found.get(name) if isinstance(found, dict) else None
        else:
            items = found if isinstance(found, list) else []
            found = next((item for item in items if item.get(key) == wanted), None)
    return found


def age(passed_s: float) -> str:
    """Return *passed_s* as kubectl writes ages: the two largest units while they say something."""
    whole = int(passed_s)
    if whole < 0:
        return "0s" if whole >= -2 else "<invalid>"
    minutes, hours, days = whole // 60, whole // 3600, whole // 86400
    for below, text in (
        (120, f"{whole}s"),
        (600, _two(minutes, "m", whole % 60, "s")),
        (3 * 3600, f"{minutes}m"),
        (8 * 3600, _two(hours, "h", minutes % 60, "m")),
        (2 * 86400, f"{hours}h"),
        (8 * 86400, _two(days, "d", hours % 24, "h")),
    ):
        if whole < below:
            return text
    return f"{days}d"


def _two(large: int, unit: str, small: int, below: str) -> str:
    return f"{large}{unit}{small}{below}" if small else f"{large}{unit}"
