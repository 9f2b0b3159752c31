"""Which object does a row belong to? The labels say so, in one of the spellings that exporters and Prometheus use.

Rows about GPUs need more care than others, because dcgm-exporter speaks for pods that it is not part of. Without ``honorLabels``
the workload is in ``exported_pod``, and ``pod`` is the exporter; with it the workload is in ``pod``, and an idle GPU carries the
exporter's own name there, as if the exporter used it. Which of the two holds is read off the rows themselves, per scrape job.
A row that belongs to nobody is counted with its reason and never given to somebody else.
"""

import enum
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import assert_never

from adapter.metric import Labels, ObjectRef, Row
from adapter.rules.model import (
    EXTERNAL_RESOURCE,
    NAMESPACE_RESOURCE,
    ExternalObject,
    NamedObject,
    NamespaceObject,
    Objects,
    PodObject,
)

#: A pod whose name contains one of these is an exporter: gpu-operator's, the chart's and GKE's all do.
EXPORTER_POD_NAMES = ("dcgm-exporter",)
#: The same as a regular expression of PromQL.
EXPORTER_PODS = "|".join(f".*{name}.*" for name in EXPORTER_POD_NAMES)
#: What the exporter's container is called by the chart (`exporter`), gpu-operator and GKE.
EXPORTER_CONTAINERS = frozenset({"exporter", "dcgm-exporter", "nvidia-dcgm-exporter"})
#: The container label that belongs to each spelling of the pod label; any other spelling goes with `container`.
CONTAINER_LABELS = {"exported_pod": "exported_container", "pod_name": "container_name"}


class Unattributed(enum.Enum):
    """Why a row belongs to no object."""

    IDLE = "no workload on the device"
    EXPORTER = "the exporter's own pod"
    UNLABELLED = "label missing"


Owner = ObjectRef | Unattributed


@dataclass(frozen=True, slots=True)
class Attribution:
    """Whose each row of one batch is, in the rows' order, and which of these objects are on a device that others use too."""

    owners: Sequence[Owner]
    shared: frozenset[ObjectRef] = frozenset()

    @property
    def counts(self) -> Mapping[Unattributed, int]:
        """Return how many rows belong to no object, by reason."""
        return Counter(owner for owner in self.owners if isinstance(owner, Unattributed))


class Refs:
    """ObjectRefs by what they name, so that thousands of values share one instance of each; *known* ones are taken first."""

    def __init__(self, known: Iterable[ObjectRef] = ()) -> None:
        self._refs = {(ref.resource, ref.namespace, ref.name): ref for ref in known}

    def get(self, resource: str, namespace: str, name: str) -> ObjectRef:
        """Return the one instance for these names, made now if they are new."""
        key = (resource, namespace, name)
        found = self._refs.get(key)
        if found is None:
            found = self._refs[key] = ObjectRef(resource, namespace, name)
        return found


def attribute(
    objects: Objects,
    batches: Sequence[Sequence[Row]],
    *,
    shared_nodes: frozenset[str] = frozenset(),
    refs: Refs | None = None,
) -> list[Attribution]:
    """Return whose each row of each batch is.

    The batches are one rule's, and are looked at together: whether a job honours labels, and whether a device is shared, may
    show in one of them only. *shared_nodes* are the nodes whose GPUs are time-sliced or under MPS.
    """
    refs = refs if refs is not None else Refs()
    match objects:
        case PodObject(device=True):
            return _devices(objects, batches, shared_nodes, refs)
        case PodObject(pairs=pairs):
            return [Attribution([_pod(row.labels, pairs, refs) for row in batch]) for batch in batches]
        case NamedObject():
            return [Attribution([_named(row.labels, objects, refs) for row in batch]) for batch in batches]
        case NamespaceObject(label=label):
            return [Attribution([_namespace(row.labels, label, refs) for row in batch]) for batch in batches]
        case ExternalObject(namespace_label=label):
            return [Attribution([_external(row.labels, label, refs) for row in batch]) for batch in batches]
        case _:
            assert_never(objects)


def _pod(labels: Labels, pairs: Sequence[tuple[str, str]], refs: Refs) -> Owner:
    for namespace_label, pod_label in pairs:
        name = labels.get(pod_label)
        namespace = labels.get(namespace_label)
        if name and namespace:
            return refs.get("pods", namespace, name)
    return Unattributed.UNLABELLED


def _named(labels: Labels, objects: NamedObject, refs: Refs) -> Owner:
    name = labels.get(objects.name_label)
    namespace = labels.get(objects.namespace_label) if objects.namespace_label is not None else ""
    if not name or (objects.namespace_label is not None and not namespace):
        return Unattributed.UNLABELLED
    return refs.get(objects.resource, namespace or "", name)


def _namespace(labels: Labels, label: str, refs: Refs) -> Owner:
    name = labels.get(label)
    return refs.get(NAMESPACE_RESOURCE, "", name) if name else Unattributed.UNLABELLED


def _external(labels: Labels, label: str | None, refs: Refs) -> Owner:
    if label is None:
        return refs.get(EXTERNAL_RESOURCE, "", "")
    namespace = labels.get(label)
    return refs.get(EXTERNAL_RESOURCE, namespace, "") if namespace else Unattributed.UNLABELLED


def _devices(objects: PodObject, batches: Sequence[Sequence[Row]], shared_nodes: frozenset[str], refs: Refs) -> list[Attribution]:
    pair_of_job = _pair_of_job(objects.pairs, batches)
    user_of_device: dict[str, ObjectRef] = {}
    shared: set[ObjectRef] = set()
    owners_of_batches: list[list[Owner]] = []
    for batch in batches:
        owners: list[Owner] = []
        for labels, _, _ in batch:
            pair = pair_of_job.get(labels.get("job") or labels.get("instance") or "")
            owner = Unattributed.UNLABELLED if pair is None else _workload(labels, pair, refs)
            owners.append(owner)
            if isinstance(owner, Unattributed):
                continue
            device = _device(labels)
            if device is not None:
                before = user_of_device.setdefault(device, owner)
                if before is not owner:
                    shared.update((before, owner))
            if _is_said_to_be_shared(labels, shared_nodes):
                shared.add(owner)
        owners_of_batches.append(owners)
    return [Attribution(owners, frozenset(shared)) for owners in owners_of_batches]


def _pair_of_job(pairs: Sequence[tuple[str, str]], batches: Sequence[Sequence[Row]]) -> dict[str, tuple[str, str]]:
    """Return for each scrape job its pair of labels: the first one that any of its rows fills.

    A row of the job that leaves this pair empty is an idle GPU, whatever its other labels say.
    """
    found: dict[str, int] = {}
    none = len(pairs)
    for batch in batches:
        for labels, _, _ in batch:
            job = labels.get("job") or labels.get("instance") or ""
            for position in range(found.get(job, none)):
                if labels.get(pairs[position][1]):
                    found[job] = position
                    break
    return {job: pairs[position] for job, position in found.items()}


def _workload(labels: Labels, pair: tuple[str, str], refs: Refs) -> Owner:
    namespace_label, pod_label = pair
    name = labels.get(pod_label)
    if not name:
        return Unattributed.IDLE
    if labels.get(CONTAINER_LABELS.get(pod_label, "container")) in EXPORTER_CONTAINERS:
        return Unattributed.EXPORTER
    for part in EXPORTER_POD_NAMES:
        if part in name:
            return Unattributed.EXPORTER
    namespace = labels.get(namespace_label)
    return refs.get("pods", namespace, name) if namespace else Unattributed.UNLABELLED


def _node(labels: Labels) -> str | None:
    return labels.get("hostname") or labels.get("Hostname") or labels.get("node")


def _device(labels: Labels) -> str | None:
    """Return what tells the device, or the MIG instance, from every other one; None for a row that names none.

    A MIG instance carries its parent's UUID, so its own number is part of its identity.
    """
    device = labels.get("UUID") or labels.get("uuid")
    if not device:
        if not labels.get("gpu"):
            return None
        device = f"{_node(labels) or labels.get('instance') or ''}/{labels['gpu']}"
    instance = labels.get("GPU_I_ID")
    return f"{device}/{instance}" if instance else device


def _is_said_to_be_shared(labels: Labels, shared_nodes: frozenset[str]) -> bool:
    """Return whether the row itself, or what is known of its node, says that the device has other users.

    Under DRA the row of a whole GPU stands for a pod that has but a MIG instance of it.
    """
    if labels.get("vgpu"):
        return True
    if "dra_mig_device_uuid" in labels and labels["dra_mig_device_uuid"] and not labels.get("GPU_I_ID"):
        return True
    return bool(shared_nodes) and _node(labels) in shared_nodes
