"""What create, update, patch and delete mean: the rules between a request and the store, without HTTP.

The controllers go through the same rules as any client, save for the few writes that no client may make.
"""

import itertools
import random
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from autoscaler.sandbox import defaults, faults, managed, patch, scale, schema, validation
from autoscaler.sandbox.objects import (
    Obj,
    clone,
    dig,
    is_deleting,
    name_of,
    namespace_of,
    owners_of,
    timestamp,
    uid_of,
)
from autoscaler.sandbox.registry import Kind, Registry
from autoscaler.sandbox.store import Store

FOREGROUND = "foregroundDeletion"
_SUFFIX = "bcdfghjklmnpqrstvwxz2456789"  # what the API machinery draws generated names from: no vowels, no words
_KEEPS_STATUS_ON_CREATE = frozenset({"nodes", "pods", "namespaces"})


@dataclass(frozen=True, slots=True, kw_only=True)
class DeleteOptions:
    """How to delete: seconds of grace (None: the object's own), what becomes of dependents, and what must still be true."""

    grace_s: int | None = None
    propagation: str = ""  # Background, Foreground or Orphan
    uid: str = ""
    resource_version: str = ""
    dry_run: bool = False


def generate_name(prefix: str) -> str:
    """Return *prefix* with five random characters, as generateName does."""
    return prefix[:58] + "".join(random.choice(_SUFFIX) for _ in range(5))


class Verbs:
    """The verbs over one store. *clock* gives Unix seconds."""

    def __init__(self, store: Store, registry: Registry, *, clock: Callable[[], float]) -> None:
        self.store = store
        self.registry = registry
        self.clock = clock
        self._cluster_ips = itertools.count(10)

    def get(self, kind: Kind, namespace: str, name: str) -> Obj:
        """Return the object; 404 when it is not there."""
        found = self.store.get(kind.resource, namespace, name)
        if found is None:
            raise faults.not_found(kind, name)
        return as_version(kind, found)

    def create(self, kind: Kind, namespace: str, body: Obj, *, manager: str = managed.CONTROLLERS, dry_run: bool = False) -> Obj:
        """Store *body* as a new object and return it; 409 when the name is taken, 422 when it breaks the kind's rules."""
        obj = self._read(kind, namespace, body)
        metadata = obj["metadata"]
        if metadata.get("resourceVersion"):
            raise faults.bad_request("resourceVersion should not be set on objects to be created")
        if kind.namespaced:
            self._admit_to(kind, namespace, str(metadata.get("name", "")))
        if not metadata.get("name") and metadata.get("generateName"):
            metadata["name"] = generate_name(metadata["generateName"])
        for field in ("deletionTimestamp", "deletionGracePeriodSeconds", "generation", "selfLink"):
            metadata.pop(field, None)
        metadata["uid"] = str(uuid.uuid4())
        metadata["creationTimestamp"] = timestamp(self.clock())
        if kind.counts_generation:
            metadata["generation"] = 1
        if kind.status and kind.resource not in _KEEPS_STATUS_ON_CREATE:
            obj.pop("status", None)
            if not kind.custom:
                obj["status"] = {"loadBalancer": {}} if kind.resource == "services" else {}
        self._complete(kind, obj)
        if kind.resource == "services":
            self._give_cluster_ip(obj)
        name = name_of(obj)
        if self.store.get(kind.resource, namespace, name) is not None:
            raise faults.already_exists(kind, name)
        metadata["managedFields"] = managed.after_write(None, obj, manager=manager, subresource="", now=self.clock())
        return obj if dry_run else self.store.put(kind.resource, obj)

    def update(
        self,
        kind: Kind,
        namespace: str,
        name: str,
        body: Obj,
        *,
        subresource: str = "",
        manager: str = managed.CONTROLLERS,
        dry_run: bool = False,
    ) -> Obj:
        """Replace the object (or its status or scale) and return what the path shows then; 409 when it changed meanwhile."""
        old = self.get(kind, namespace, name)
        if subresource == "scale":
            sent = body.get("metadata") or {}
            self._check_version(kind, old, str(sent.get("resourceVersion") or ""))
            return self._write(kind, old, scale.applied(kind, old, body), subresource, manager, dry_run=dry_run)
        new = self._read(kind, namespace, body)
        sent_name = new["metadata"].get("name") or ""
        if sent_name != name:
            raise faults.bad_request(f"the name of the object ({sent_name}) does not match the name on the URL ({name})")
        version = str(new["metadata"].get("resourceVersion") or "")
        if not version and not kind.unconditional_update:
            cause = ("metadata.resourceVersion", "FieldValueInvalid", "Invalid value: 0: must be specified for an update")
            raise faults.invalid(kind, name, [cause])
        self._check_version(kind, old, version)
        return self._write(kind, old, new, subresource, manager, dry_run=dry_run)

    def patch(
        self,
        kind: Kind,
        namespace: str,
        name: str,
        body: Any,
        language: str,
        *,
        subresource: str = "",
        manager: str = managed.CONTROLLERS,
        dry_run: bool = False,
    ) -> Obj:
        """Apply a patch in *language* (a media type) and return what the path shows then."""
        accepted = (patch.JSON, patch.MERGE) if kind.custom else (patch.JSON, patch.MERGE, patch.STRATEGIC)
        if language not in accepted:
            raise faults.unsupported_media_type(accepted)
        old = self.get(kind, namespace, name)
        shown = scale.of(kind, old) if subresource == "scale" else old
        apply = {patch.JSON: patch.json, patch.MERGE: patch.merge, patch.STRATEGIC: patch.strategic}[language]
        try:
            new = apply(shown, body)
        except patch.PatchRejectedError as error:
            raise faults.rejected(str(error)) from error
        except (patch.PatchError, KeyError, TypeError, AttributeError) as error:
            raise faults.bad_request(f"the patch cannot be read: {error}") from error
        if not isinstance(new, dict) or not isinstance(new.get("metadata"), dict):
            raise faults.bad_request("the patched document is not an object with metadata")
        new = clone(new)
        self._check_version(kind, old, str(new["metadata"].get("resourceVersion") or ""))
        new = scale.applied(kind, old, new) if subresource == "scale" else self._read(kind, namespace, new)
        return self._write(kind, old, new, subresource, manager, dry_run=dry_run)

    def delete(self, kind: Kind, namespace: str, name: str, options: DeleteOptions | None = None) -> Obj:
        """Delete the object, now or after its grace and finalizers; return the object or a Status, as the kind does."""
        options = options or DeleteOptions()
        old = self.get(kind, namespace, name)
        for field, wanted, found in (
            ("UID", options.uid, uid_of(old)),
            ("ResourceVersion", options.resource_version, old["metadata"]["resourceVersion"]),
        ):
            if wanted and wanted != found:
                side = f"{field} in precondition: {wanted}, {field} in object meta: {found}"
                raise faults.conflict(kind, name, f"Precondition failed: {side}")
        if options.dry_run:
            return self._deleted(kind, old)
        finalizers = list(old["metadata"].get("finalizers") or [])
        if options.propagation == "Orphan":
            self._orphan(uid_of(old))
        elif options.propagation == "Foreground" and FOREGROUND not in finalizers and self.store.dependents(uid_of(old)):
            finalizers.append(FOREGROUND)
        grace_s = self._grace_s(kind, old, options)
        waits = bool(finalizers) or grace_s > 0 or kind.resource == "namespaces"
        if not waits:
            return self._deleted(kind, self.store.remove(kind.resource, namespace, name))
        return as_version(kind, self._mark_deleting(kind, old, finalizers, grace_s))

    def put_status(self, resource: str, obj: Obj, status: Obj) -> Obj:
        """Write a controller's view of *obj*'s status, when it says anything new."""
        current = self.store.get(resource, namespace_of(obj), name_of(obj))
        if current is None or uid_of(current) != uid_of(obj) or current.get("status") == status:
            return current or obj
        return self.store.put(resource, {**current, "status": status})

    def modify(self, resource: str, obj: Obj, change: Callable[[Obj], None]) -> Obj:
        """Let a controller change a fresh copy of *obj* in ways that clients may not, such as binding a pod to a node."""
        current = self.store.get(resource, namespace_of(obj), name_of(obj))
        if current is None:
            return obj
        new = clone(current)
        change(new)
        return current if new == current else self.store.put(resource, new)

    def finish(self, resource: str, obj: Obj) -> None:
        """Take away an object whose end nothing holds up any more; a finalizer keeps it, and then it only loses its grace."""
        current = self.store.get(resource, namespace_of(obj), name_of(obj))
        if current is None or uid_of(current) != uid_of(obj):
            return
        if current["metadata"].get("finalizers"):
            self.modify(resource, current, lambda new: new["metadata"].update(deletionGracePeriodSeconds=0))
        else:
            self.store.remove(resource, namespace_of(obj), name_of(obj))

    def _read(self, kind: Kind, namespace: str, body: Obj) -> Obj:
        """Return a copy of *body* that is known to be of *kind* and to stand in *namespace*."""
        for field, wanted, words in (("apiVersion", kind.api_version, "API version"), ("kind", kind.kind, "kind")):
            sent = body.get(field)
            if sent and sent != wanted:
                raise faults.bad_request(f"the {words} in the data ({sent}) does not match the expected {words} ({wanted})")
        obj: Obj = clone(body)
        obj["apiVersion"], obj["kind"] = kind.api_version, kind.kind
        metadata = obj.setdefault("metadata", {})
        if not isinstance(metadata, dict):
            raise faults.bad_request("metadata is not an object")
        sent = metadata.get("namespace")
        if sent and sent != namespace:
            raise faults.bad_request("the namespace of the provided object does not match the namespace sent on the request")
        if namespace:
            metadata["namespace"] = namespace
        metadata.pop("managedFields", None)
        for field in ("labels", "annotations", "finalizers", "ownerReferences"):
            if field in metadata and not metadata[field]:
                del metadata[field]
        return obj

    def _admit_to(self, kind: Kind, namespace: str, name: str) -> None:
        space = self.store.get("namespaces", "", namespace)
        if space is None:
            raise faults.not_found(self.registry.by_resource("namespaces"), namespace)
        if is_deleting(space):
            why = f"unable to create new content in namespace {namespace} because it is being terminated"
            cause = {"reason": "NamespaceTerminating", "message": f"namespace {namespace} is being terminated"}
            details = {"name": name, "group": kind.group, "kind": kind.plural, "causes": [{**cause, "field": "metadata.namespace"}]}
            raise faults.forbidden(f'{kind.resource} "{name}" is forbidden: {why}', details)

    def _complete(self, kind: Kind, obj: Obj) -> None:
        """Fill in defaults and refuse what breaks the rules."""
        found = []
        if kind.custom and kind.schema is not None:
            schema.prune(kind.schema, obj)
            schema.fill(kind.schema, obj)
            found = schema.problems(kind.schema, obj)
        try:
            defaults.fill(kind.resource, obj)
            found = [*found, *validation.problems(kind.resource, obj)]
        except (AttributeError, TypeError, KeyError) as error:  # a value of another JSON type than the field has
            raise faults.bad_request(f"{kind.kind} in version {kind.version!r} cannot be handled: {error}") from error
        if found:
            raise faults.invalid(kind, name_of(obj), found)

    def _give_cluster_ip(self, obj: Obj) -> None:
        spec = obj["spec"]
        if spec["type"] != "ExternalName" and not spec.get("clusterIP"):
            high, low = divmod(next(self._cluster_ips), 250)
            spec["clusterIP"] = f"10.96.{high % 256}.{low + 1}"
        if spec.get("clusterIP"):
            spec["clusterIPs"] = [spec["clusterIP"]]

    def _check_version(self, kind: Kind, old: Obj, sent: str) -> None:
        if sent and sent != old["metadata"]["resourceVersion"]:
            raise faults.conflict(kind, name_of(old))

    def _write(self, kind: Kind, old: Obj, new: Obj, subresource: str, manager: str, *, dry_run: bool) -> Obj:
        metadata, before = new["metadata"], old["metadata"]
        if metadata.get("uid") and metadata["uid"] != before["uid"]:
            side = f"UID in precondition: {metadata['uid']}, UID in object meta: {before['uid']}"
            raise faults.conflict(kind, name_of(old), f"Precondition failed: {side}")
        if subresource == "status":
            new = {**old, "status": new.get("status", {})}
        else:
            if kind.status:
                new.pop("status", None)
                if "status" in old:
                    new["status"] = clone(old["status"])
            for field in (
                "name",
                "namespace",
                "uid",
                "creationTimestamp",
                "deletionTimestamp",
                "deletionGracePeriodSeconds",
                "generation",
                "generateName",
                "resourceVersion",
                "managedFields",
            ):
                metadata.pop(field, None)
                if field in before:
                    metadata[field] = before[field]
            if kind.resource == "services" and not new["spec"].get("clusterIP"):
                new["spec"].update({key: old["spec"][key] for key in ("clusterIP", "clusterIPs") if key in old["spec"]})
        new = clone(new)
        self._complete(kind, new)
        found = validation.problems_of_change(kind.resource, old, new)
        if found:
            raise faults.invalid(kind, name_of(old), found)
        if kind.counts_generation and _wish(new) != _wish(old):
            new["metadata"]["generation"] = before.get("generation", 0) + 1
        if new != old:
            new["metadata"]["managedFields"] = managed.after_write(
                old, new, manager=manager, subresource=subresource, now=self.clock()
            )
        if new != old and not dry_run:
            stored = self.store.put(kind.resource, new)
            new = self._end_if_free(kind, stored)
        return scale.of(kind, new) if subresource == "scale" else new

    def _end_if_free(self, kind: Kind, obj: Obj) -> Obj:
        metadata = obj["metadata"]
        held = metadata.get("finalizers") or metadata.get("deletionGracePeriodSeconds") or kind.resource == "namespaces"
        if is_deleting(obj) and not held:
            return self.store.remove(kind.resource, namespace_of(obj), name_of(obj))
        return obj

    def _grace_s(self, kind: Kind, obj: Obj, options: DeleteOptions) -> int:
        if kind.resource != "pods" or not dig(obj, "spec", "nodeName"):
            return 0
        if dig(obj, "status", "phase") in {"Succeeded", "Failed"}:
            return 0
        own = int(dig(obj, "spec", "terminationGracePeriodSeconds") or 0)
        pending: int = obj["metadata"].get("deletionGracePeriodSeconds", own)
        return min(pending, own if options.grace_s is None else options.grace_s)

    def _mark_deleting(self, kind: Kind, old: Obj, finalizers: list[str], grace_s: int) -> Obj:
        def mark(new: Obj) -> None:
            metadata = new["metadata"]
            if finalizers:
                metadata["finalizers"] = finalizers
            if not is_deleting(old) or grace_s < metadata.get("deletionGracePeriodSeconds", 0):
                metadata["deletionTimestamp"] = timestamp(self.clock() + grace_s)
                metadata["deletionGracePeriodSeconds"] = grace_s
                if kind.counts_generation:
                    metadata["generation"] = metadata.get("generation", 0) + 1
            if kind.resource == "namespaces":
                metadata.pop("deletionGracePeriodSeconds", None)
                new["status"] = {**new.get("status", {}), "phase": "Terminating"}

        return self.modify(kind.resource, old, mark)

    def _orphan(self, uid: str) -> None:
        def disown(new: Obj) -> None:
            kept = [owner for owner in owners_of(new) if owner["uid"] != uid]
            new["metadata"].pop("ownerReferences")
            if kept:
                new["metadata"]["ownerReferences"] = kept

        for resource, namespace, name in self.store.dependents(uid):
            dependent = self.store.get(resource, namespace, name)
            if dependent is not None:
                self.modify(resource, dependent, disown)

    def _deleted(self, kind: Kind, obj: Obj) -> Obj:
        if kind.returns_deleted:
            return as_version(kind, obj)
        details = {"name": name_of(obj), "group": kind.group, "kind": kind.plural, "uid": uid_of(obj)}
        return {
            "kind": "Status",
            "apiVersion": "v1",
            "metadata": {},
            "status": "Success",
            "details": {key: value for key, value in details.items() if value},
        }


def as_version(kind: Kind, obj: Obj) -> Obj:
    """Return *obj* in *kind*'s version: the sandbox's custom kinds differ between versions in name only."""
    return obj if obj.get("apiVersion") == kind.api_version else {**obj, "apiVersion": kind.api_version}


def _wish(obj: Obj) -> Obj:
    return {key: value for key, value in obj.items() if key not in {"metadata", "status", "apiVersion", "kind"}}
