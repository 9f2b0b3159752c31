"""A small cluster in memory for the control loop: what the watches and the metrics reader would show, kept by hand.

Writes go to `inmemory.World`, the sandbox's own verbs; what the loop reads is read from there. Pods and metrics are a test's.
"""

import asyncio
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from typing import Any

import yaml

from adapter.errors import ApiServerError
from autoscaler.anticipate.anticipation import Anticipation
from autoscaler.cluster.answers import Answer
from autoscaler.cluster.memories import Memories
from autoscaler.controller import Controller
from autoscaler.cost.hardware import Capacity, Hardware
from autoscaler.decision.startup import Sample
from autoscaler.errors import TargetError
from autoscaler.report.record import Recorder
from autoscaler.report.telemetry import Telemetry
from autoscaler.reporting import Audience
from autoscaler.resource.scaler import Key, Mechanism, Query, TargetRef
from autoscaler.sandbox import scenery
from autoscaler.seen import PodSeen, Pool, TargetSeen
from autoscaler.settings import Pace
from tests.autoscaler import inmemory

NAMESPACE = "llm"
EPOCH = 1_000_000.0
SCALERS = f"/apis/leadtime.dev/v1alpha1/namespaces/{NAMESPACE}/inferencescalers"
DEPLOYMENTS = f"/apis/apps/v1/namespaces/{NAMESPACE}/deployments"

_DEFINITION = yaml.safe_load((scenery.manifests() / "base/crds/inferencescalers.yaml").read_text())


def scaler(name: str = "qwen", target: str = "qwen", **spec: Any) -> dict[str, Any]:
    """Return an InferenceScaler on one queue, ten requests a replica, that acts at once and without windows."""
    still = {"stabilizationWindowSeconds": 0, "policies": [{"type": "Pods", "value": 100, "periodSeconds": 1}]}
    whole = {
        "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": target},
        "mode": "Auto",
        "minReplicas": 1,
        "maxReplicas": 10,
        "metrics": [
            {
                "type": "Pods",
                "pods": {"metric": {"name": "inference_queue_size"}, "target": {"type": "AverageValue", "averageValue": "10"}},
            }
        ],
        "behavior": {"scaleUp": still, "scaleDown": still},
        "scaleDown": {"rule": "Consolidation", "cooldownSeconds": 30},
    }
    metadata = {"name": name, "namespace": NAMESPACE}
    return {"apiVersion": "leadtime.dev/v1alpha1", "kind": "InferenceScaler", "metadata": metadata, "spec": {**whole, **spec}}


@dataclass
class _Scalers:
    town: "Town"
    on_change: Callable[[Key], object] = lambda _key: None

    def keys(self) -> list[Key]:
        kind = self.town.world.verbs.registry.find("leadtime.dev", "v1alpha1", "inferencescalers")
        assert kind is not None
        found = self.town.world.verbs.store.objects(kind.resource)
        return [Key(each["metadata"]["namespace"], each["metadata"]["name"]) for each in found]

    def get(self, key: Key) -> Mapping[str, Any] | None:
        return self.town.world.get(f"{SCALERS}/{key.name}") if key in self.keys() else None


@dataclass
class _Targets:
    town: "Town"
    on_change: Callable[[str, TargetRef], object] = lambda _namespace, _ref: None

    def known(self, namespace: str, ref: TargetRef) -> TargetSeen | None:
        kind = self.town.world.verbs.registry.by_resource("deployments.apps")
        found = self.town.world.verbs.store.get(kind.resource, namespace, ref.name)
        if found is None:
            return None
        return TargetSeen(
            namespace=namespace,
            ref=ref,
            uid=found["metadata"]["uid"],
            resource_version=found["metadata"]["resourceVersion"],
            replicas=found["spec"]["replicas"],
            status_replicas=found["spec"]["replicas"],
            selector=f"app={ref.name}",
            path=f"{DEPLOYMENTS}/{ref.name}",
            template_labels={},
        )

    async def get(self, namespace: str, ref: TargetRef) -> TargetSeen:
        found = self.known(namespace, ref)
        if found is None:
            raise TargetError("TargetNotFound", f"{ref} does not exist in {namespace}: create it")
        return found


@dataclass
class _Pods:
    """As many ready pods as there are replicas, since an hour, with eight GPUs each."""

    town: "Town"
    started: list[Sample] = field(default_factory=list)  # since they were asked for

    def select(self, namespace: str, selector: str) -> list[PodSeen]:
        name = selector.removeprefix("app=")
        replicas = self.town.replicas(name)
        return [_pod(namespace, f"{name}-{number}") for number in range(replicas)]

    def leaving(self, namespace: str, selector: str) -> list[PodSeen]:
        return []

    def starts(self, namespace: str, selector: str) -> list[Sample]:
        found = self.started.copy()
        self.started.clear()
        return found


def _pod(namespace: str, name: str) -> PodSeen:
    since = EPOCH - 3600.0
    return PodSeen(
        namespace=namespace,
        name=name,
        uid=name,
        labels={},
        node="gpu-1",
        gpus=8,
        created_at=since,
        ready_at=since,
        running=True,
        ready=True,
    )


@dataclass
class _Metrics:
    """One queue for all: *per_pod* requests at each pod of a target, measured this moment, or the reason that there are none."""

    town: "Town"
    on_read: Callable[[str, str], object] = lambda _namespace, _metric: None
    per_pod: float | None = 5.0
    pending: float | None = None
    asked: set[tuple[str, Query]] = field(default_factory=set)

    def wanted(self, wanted: Collection[tuple[str, Query]]) -> None:
        self.asked = set(wanted)

    def answer(self, namespace: str, query: Query) -> Answer:
        now = self.town.clock()
        if query.described is not None:
            total = None if self.pending is None else round(self.pending * 1000)
            return Answer(total_milli=total, at=now, why="" if total is not None else "gateway down")
        if self.per_pod is None:
            return Answer(why="source down: prometheus")
        names = (f"{name}-{number}" for name in self.town.targets for number in range(self.town.replicas(name)))
        return Answer(values={name: (round(self.per_pod * 1000), now) for name in names}, at=now)


class _Pool:
    def pool(self, target: TargetSeen) -> Pool:
        return Pool(mechanism=Mechanism.HEADROOM, why="no Service")


@dataclass
class _Hpas:
    name: str | None = None

    def standing(self, namespace: str, ref: TargetRef) -> str | None:
        return self.name


class _Nodes:
    shared: frozenset[str] = frozenset()
    version = 0

    def hardware(self, name: str) -> Hardware:
        return Hardware("NVIDIA-L4", Capacity.SPOT)


class Town:
    """The cluster, and a way to have controllers steer it. Time is the event loop's."""

    def __init__(self) -> None:
        self.world = inmemory.World(clock=self.clock)
        self.world.verbs.registry.define(_DEFINITION)
        self.targets: list[str] = []
        self.scalers, self.targets_seen, self.pods = _Scalers(self), _Targets(self), _Pods(self)
        self.metrics, self.hpas = _Metrics(self), _Hpas()
        self.client = self.world.client()
        self.holds = True
        self.telemetry = Telemetry()

    def clock(self) -> float:
        try:
            return EPOCH + asyncio.get_running_loop().time()
        except RuntimeError:
            return EPOCH

    def deploy(self, name: str, replicas: int) -> None:
        """Create a Deployment."""
        labels = {"app": name}
        template = {"metadata": {"labels": labels}, "spec": {"containers": [{"name": "engine", "image": "vllm"}]}}
        spec = {"replicas": replicas, "selector": {"matchLabels": labels}, "template": template}
        body = {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": name, "namespace": NAMESPACE}, "spec": spec}
        self.world.create(f"{DEPLOYMENTS}/{name}", body)
        self.targets.append(name)
        self.targets_seen.on_change(NAMESPACE, TargetRef("apps/v1", "Deployment", name))

    def apply(self, document: dict[str, Any]) -> None:
        """Create an InferenceScaler; whoever watches hears of it."""
        name = document["metadata"]["name"]
        self.world.create(f"{SCALERS}/{name}", document)
        self.scalers.on_change(Key(NAMESPACE, name))

    def delete(self, name: str) -> None:
        """Delete an InferenceScaler."""
        self.world.delete(f"{SCALERS}/{name}")
        self.scalers.on_change(Key(NAMESPACE, name))

    def replicas(self, name: str = "qwen") -> int:
        """Return how many replicas a Deployment asks for."""
        found = self.targets_seen.known(NAMESPACE, TargetRef("apps/v1", "Deployment", name))
        return found.replicas if found is not None else 0

    def status(self, name: str = "qwen") -> dict[str, Any]:
        """Return an InferenceScaler's status; empty before the first."""
        found: dict[str, Any] = self.world.get(f"{SCALERS}/{name}").get("status", {})
        return found

    def condition(self, kind: str, name: str = "qwen") -> dict[str, Any]:
        """Return one condition of an InferenceScaler."""
        return next(each for each in self.status(name)["conditions"] if each["type"] == kind)

    def writes(self, ending: str) -> list[inmemory.Asked]:
        """Return what was written to paths that end so."""
        return [asked for asked in self.world.asked if asked.method != "GET" and asked.path.endswith(ending)]

    def controller(
        self,
        *,
        anticipation: Anticipation | None = None,
        audience: Audience | None = None,
        recorder: Recorder | None = None,
        **pace: float,
    ) -> Controller:
        """Return a controller that knows nothing but what is stored."""
        kube: Any = self.client
        return Controller(
            kube=kube,
            view=_View(self),  # type: ignore[arg-type]
            memories=Memories(kube, "leadtime"),
            telemetry=self.telemetry,
            fence=lambda: self.holds,
            pace=Pace(**pace),
            recorder=recorder,
            anticipation=anticipation,
            audience=audience,
            clock=self.clock,
        )

    async def steered(self, seconds: float, controller: Controller | None = None) -> None:
        """Have a controller lead for *seconds*, and end as a process does that is told to."""
        leading = asyncio.create_task((controller or self.controller()).lead())
        await asyncio.wait([leading], timeout=seconds)
        leading.cancel()
        await asyncio.gather(leading, return_exceptions=True)
        if not leading.cancelled() and (error := leading.exception()) is not None:
            raise error


class _View:
    def __init__(self, town: Town) -> None:
        self.scalers, self.targets, self.pods = town.scalers, town.targets_seen, town.pods
        self.metrics, self.hpas, self.services, self.nodes = town.metrics, town.hpas, _Pool(), _Nodes()


def refused(status: int) -> ApiServerError:
    """Return what a client raises for an answer of *status*."""
    return ApiServerError(status, "refused")
