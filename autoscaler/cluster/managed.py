"""Who wrote a field, by an object's managedFields: the only trace that writers of the API leave.

They are the largest part of many objects, so that watches keep them as bytes and ask here only when it matters.
"""

from datetime import datetime

import msgspec

from autoscaler.seen import Writer

_REPLICAS = "f:replicas"
_DELETION_COST = "f:controller.kubernetes.io/pod-deletion-cost"


class _Owned(msgspec.Struct, gc=False):
    """A field that a manager owns: that it is there is all it says."""


class _Spec(msgspec.Struct, gc=False):
    replicas: _Owned | None = msgspec.field(name=_REPLICAS, default=None)


class _Annotations(msgspec.Struct, gc=False):
    deletion_cost: _Owned | None = msgspec.field(name=_DELETION_COST, default=None)


class _Metadata(msgspec.Struct, gc=False):
    annotations: _Annotations = msgspec.field(name="f:annotations", default_factory=_Annotations)


class _Fields(msgspec.Struct, gc=False):
    spec: _Spec = msgspec.field(name="f:spec", default_factory=_Spec)
    metadata: _Metadata = msgspec.field(name="f:metadata", default_factory=_Metadata)


class _Entry(msgspec.Struct, gc=False):
    manager: str = ""
    subresource: str = ""
    time: datetime | None = None
    fields: _Fields = msgspec.field(name="fieldsV1", default_factory=_Fields)


_ENTRIES = msgspec.json.Decoder(list[_Entry] | None)


def replicas_writer(managed_fields: msgspec.Raw) -> Writer | None:
    """Return who owns ``spec.replicas``, the newest of several; None when nobody says so, or nothing that can be read."""
    return _newest([entry for entry in _entries(managed_fields) if entry.fields.spec.replicas is not None])


def deletion_cost_manager(managed_fields: msgspec.Raw) -> str:
    """Return who set a pod's deletion cost, or nothing."""
    found = _newest([entry for entry in _entries(managed_fields) if entry.fields.metadata.annotations.deletion_cost is not None])
    return found.manager if found is not None else ""


def _entries(managed_fields: msgspec.Raw) -> list[_Entry]:
    if not managed_fields:
        return []
    try:
        return _ENTRIES.decode(managed_fields) or []
    except msgspec.DecodeError:
        return []  # a trace is what they are: without one the writer stays unknown


def _newest(entries: list[_Entry]) -> Writer | None:
    """Return the last writer of *entries*; of those with one time (they have whole seconds), the last in the list."""
    newest: Writer | None = None
    for entry in entries:
        at = entry.time.timestamp() if entry.time is not None else None
        if newest is None or (at or 0.0) >= (newest.at or 0.0):
            newest = Writer(manager=entry.manager, subresource=entry.subresource, at=at)
    return newest
