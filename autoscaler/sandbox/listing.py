"""Lists: selection by label and field, pages that continue from one consistent snapshot, and the shapes objects are shown in."""

import base64
import itertools
import json
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

from adapter import selector
from autoscaler.sandbox import faults, fields
from autoscaler.sandbox.objects import Obj, labels_of
from autoscaler.sandbox.registry import Kind
from autoscaler.sandbox.store import Store
from autoscaler.sandbox.verbs import as_version

METADATA_KIND = "PartialObjectMetadata"
METADATA_API = "meta.k8s.io/v1"
_KEPT_SNAPSHOTS = 64  # the oldest unfinished list expires first


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """Which objects of a kind are meant: a namespace (empty: all), labels and fields."""

    kind: Kind
    namespace: str = ""
    by_labels: selector.Selector | None = None
    by_fields: fields.FieldSelector = fields.EVERYTHING

    @property
    def selective(self) -> bool:
        """Return whether labels or fields leave anything out."""
        return self.by_labels is not None or bool(self.by_fields.terms)

    def matches(self, obj: Obj) -> bool:
        """Return whether *obj*, of the right kind, is meant."""
        if self.namespace and obj["metadata"].get("namespace") != self.namespace:
            return False
        if self.by_labels is not None and not self.by_labels.matches(labels_of(obj)):
            return False
        return self.by_fields.matches(obj)


def selection(kind: Kind, namespace: str, label_selector: str, field_selector: str) -> Selection:
    """Return the selection that a request's parameters spell; 400 when they cannot be read."""
    try:
        labels = selector.parse(label_selector) if label_selector.strip() else None
    except ValueError as error:
        raise faults.bad_request(f"unable to parse requirement: {error}") from error
    return Selection(kind=kind, namespace=namespace, by_labels=labels, by_fields=fields.parse(field_selector, kind))


def partial(obj: Obj) -> Obj:
    """Return *obj* as PartialObjectMetadata: what it is called, and nothing of what it is."""
    return {"kind": METADATA_KIND, "apiVersion": METADATA_API, "metadata": obj["metadata"]}


def full(kind: Kind) -> Callable[[Obj], Obj]:
    """Return how an object of *kind* is shown in full."""
    return lambda obj: as_version(kind, obj)


class Lists:
    """Answers list requests; it remembers the rest of every list that was cut by a limit, for a while."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._rest: OrderedDict[str, tuple[int, list[Obj]]] = OrderedDict()
        self._ids = itertools.count(1)

    def page(self, chosen: Selection, *, limit: int = 0, token: str = "", metadata_only: bool = False) -> Obj:
        """Return a list document with at most *limit* items (0: all); 410 when *token*'s snapshot is gone."""
        everything = (self._store.revision, self._store.objects(chosen.kind.resource, chosen.namespace))
        revision, found = self._resume(token) if token else everything
        shown, rest = _cut(found, chosen, limit)
        metadata: Obj = {"resourceVersion": str(revision)}
        if rest:
            metadata["continue"] = self._keep(revision, rest)
            if not chosen.selective:
                metadata["remainingItemCount"] = len(rest)
        if metadata_only:
            items = [partial(obj) for obj in shown]
            return {"kind": f"{METADATA_KIND}List", "apiVersion": METADATA_API, "metadata": metadata, "items": items}
        kind = chosen.kind
        if kind.custom:
            items = [as_version(kind, obj) for obj in shown]
        else:  # Go's typed lists leave out what every item has in common
            items = [{key: value for key, value in obj.items() if key not in {"kind", "apiVersion"}} for obj in shown]
        return {"kind": f"{kind.kind}List", "apiVersion": kind.api_version, "metadata": metadata, "items": items}

    def _keep(self, revision: int, rest: list[Obj]) -> str:
        snapshot = str(next(self._ids))
        self._rest[snapshot] = (revision, rest)
        while len(self._rest) > _KEPT_SNAPSHOTS:
            self._rest.popitem(last=False)
        text = json.dumps({"v": "meta.k8s.io/v1", "rv": revision, "start": snapshot})
        return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")

    def _resume(self, token: str) -> tuple[int, list[Obj]]:
        try:
            read = json.loads(base64.urlsafe_b64decode(token + "=" * (-len(token) % 4)))
            snapshot = str(read["start"])
        except (ValueError, TypeError, KeyError) as error:
            raise faults.bad_request("continue key is not valid: the token was not given by this server") from error
        if snapshot not in self._rest:
            raise faults.expired(
                "The provided continue parameter is too old to display a consistent list result. You can start a new list"
                " without the continue parameter."
            )
        return self._rest[snapshot]


def _cut(found: list[Obj], chosen: Selection, limit: int) -> tuple[list[Obj], list[Obj]]:
    """Return a page and what was not looked at for it: nobody knows yet whether any of that matches."""
    shown: list[Obj] = []
    for position, obj in enumerate(found):
        if limit and len(shown) == limit:
            return shown, found[position:]
        if chosen.matches(obj):
            shown.append(obj)
    return shown, []
