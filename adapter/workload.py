"""Pods and what owns them, as readers and rules need them: a small in-memory index that watches keep up to date.

It answers three questions without asking anybody: which live pods does this selector match, which workload owns this pod, and
is this device shared. It does no I/O and reads no clock; `adapter.kube.workloads` feeds it.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from adapter import selector
from adapter.metric import ObjectRef


@dataclass(frozen=True, slots=True)
class Owner:
    """The controller that an object's ownerReferences name."""

    api_version: str
    kind: str
    name: str

    @property
    def resource(self) -> str:
        """Return the plural with group, such as ``deployments.apps``, by the English rule that kinds get their plurals by."""
        group = self.api_version.partition("/")[0] if "/" in self.api_version else ""
        word = self.kind.lower()
        if word.endswith(("s", "x", "ch", "sh")):
            plural = word + "es"
        elif word.endswith("y") and not word.endswith(("ay", "ey", "oy", "uy")):
            plural = word[:-1] + "ies"
        else:
            plural = word + "s"
        return f"{plural}.{group}" if group else plural


@dataclass(frozen=True, slots=True)
class Pod:
    """A live pod: not terminating, neither failed nor succeeded."""

    namespace: str
    name: str
    uid: str
    labels: Mapping[str, str]
    ready: bool = False
    node: str = ""
    ip: str = ""
    ports: tuple[tuple[str, int], ...] = ()  # (name, number) of its containers' ports
    owner: Owner | None = None

    @property
    def ref(self) -> ObjectRef:
        """Return the pod as the metrics API names it."""
        return ObjectRef("pods", self.namespace, self.name)


class Inventory:
    """The live pods of the cluster by namespace, the ReplicaSets' owners, and the nodes whose GPUs are shared.

    `generation` grows with every change in a namespace, so that an answer made from it can be kept until then.
    """

    def __init__(self) -> None:
        self._pods: dict[str, dict[str, Pod]] = {}
        self._generations: dict[str, int] = {}
        self._owners: dict[tuple[str, str, str], Owner] = {}
        self._shared_nodes: frozenset[str] = frozenset()
        self.synced = False

    def generation(self, namespace: str) -> int:
        """Return a number that changes whenever a pod of *namespace* does."""
        return self._generations.get(namespace, 0)

    def _touch(self, namespace: str) -> None:
        self._generations[namespace] = self._generations.get(namespace, 0) + 1

    def put(self, pod: Pod) -> None:
        """Add *pod*, or take its new state; a change that no reader can see does not touch the generation."""
        pods = self._pods.setdefault(pod.namespace, {})
        if pods.get(pod.name) != pod:
            pods[pod.name] = pod
            self._touch(pod.namespace)

    def remove(self, namespace: str, name: str, uid: str | None = None) -> None:
        """Forget a pod; with *uid*, only that incarnation of the name."""
        pod = self._pods.get(namespace, {}).get(name)
        if pod is not None and uid in (None, pod.uid):
            del self._pods[namespace][name]
            self._touch(namespace)

    def pods(self) -> Iterator[Pod]:
        """Iterate over every live pod."""
        for pods in self._pods.values():
            yield from pods.values()

    def pod(self, namespace: str, name: str) -> Pod | None:
        """Return the live pod of that name, or None."""
        return self._pods.get(namespace, {}).get(name)

    def select(self, namespace: str, wanted: selector.Selector) -> list[Pod]:
        """Return the live pods of *namespace* that *wanted* matches, by name."""
        pods = self._pods.get(namespace, {})
        return [pods[name] for name in sorted(pods) if wanted.matches(pods[name].labels)]

    def put_owner(self, namespace: str, kind: str, name: str, owner: Owner | None) -> None:
        """Say which controller owns the object *kind*/*name* (None: nobody does)."""
        key = (namespace, kind, name)
        if self._owners.get(key) == owner:
            return
        if owner is None:
            del self._owners[key]
        else:
            self._owners[key] = owner
        self._touch(namespace)

    def controller(self, pod: Pod) -> Owner | None:
        """Return the topmost controller known for *pod*, or None for a pod that nothing owns."""
        top = pod.owner
        seen: set[Owner] = set()
        while top is not None and top not in seen:
            seen.add(top)
            above = self._owners.get((pod.namespace, top.kind, top.name))
            if above is None:
                break
            top = above
        return top

    def workload(self, pod: Pod) -> ObjectRef | None:
        """Return the topmost controller known for *pod* as the metrics API names it."""
        owner = self.controller(pod)
        return None if owner is None else ObjectRef(owner.resource, pod.namespace, owner.name)

    def set_node_shared(self, node: str, *, shared: bool) -> None:
        """Say whether *node*'s GPUs are time-sliced or under MPS."""
        self._shared_nodes = self._shared_nodes | {node} if shared else self._shared_nodes - {node}

    def shared_nodes(self) -> frozenset[str]:
        """Return the nodes whose GPUs are shared between pods."""
        return self._shared_nodes
