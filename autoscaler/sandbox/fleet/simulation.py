"""The fleet as a whole: engines by pod, GPUs by node, and the gateway between them and the load. Pure: time is an argument."""

import hashlib
import random
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from autoscaler.sandbox.fleet.engine import Engine, Profile
from autoscaler.sandbox.fleet.gateway import FlowControl, Gateway, GatewayPage
from autoscaler.sandbox.fleet.load import Arrivals, Shape
from autoscaler.sandbox.fleet.pages import Gpu, VllmPage, Workload
from autoscaler.sandbox.fleet.pages import dcgm as dcgm_page

_IDLE_MIB, _LOADED_MIB = 4, 73_200


@dataclass(frozen=True, slots=True)
class PodSeen:
    """A live pod of the fleet, as its cluster shows it."""

    namespace: str
    name: str
    node: str
    ready: bool
    ip: str = ""
    routed: bool = True  # it is among those that its Service sends requests to

    @property
    def key(self) -> tuple[str, str]:
        """Return what identifies the pod."""
        return self.namespace, self.name


@dataclass(slots=True)
class _Replica:
    pod: PodSeen
    page: VllmPage
    engine: Engine
    util_percent: float = 0.0
    busy_before_s: float = 0.0
    ends_at: float | None = None  # it takes no more requests, and works on what it has until then


@dataclass(frozen=True, slots=True)
class Pins:
    """Values that are shown in place of the simulated ones: a test's way to play an exact case. None leaves the simulation's."""

    gpu_util: float | None = None
    waiting: float | None = None
    gpu_util_text: str | None = None  # what the exporter prints instead of a number, such as NaN


@dataclass
class Fleet:
    """Engines that follow a cluster's pods. `see` tells which pods and nodes there are, `advance` lets time pass."""

    gpus_by_node: dict[str, int] = field(default_factory=dict)
    profile: Profile = field(default_factory=Profile)
    model: str = "Qwen/Qwen3-8B"
    seed: int = 1
    sample_period_s: float = 1.0  # dcgm-exporter's collect interval: it shows one value for that long
    pins: Pins = field(default_factory=Pins)
    pins_by_namespace: dict[str, Pins] = field(default_factory=dict)  # in place of `pins` for the pods of a namespace
    control: FlowControl = field(default_factory=FlowControl)
    drain_s: float = 0.0  # how long a pod that is gone from the cluster may work on what it has
    slo_s: float = 2.0  # a first token that comes later than this after the request is late
    pool: str = "vllm-qwen"  # what the gateway calls the pods together
    failed: int = 0  # requests that no pod took in time, and those that went with their pod
    completed: int = 0
    late: int = 0  # of the completed ones
    gpu_s: float = 0.0  # GPU-seconds that pods held, working or not

    def __post_init__(self) -> None:
        self.gateway = Gateway(self.control)
        self._gateway_page = GatewayPage(self.pool, self.model)
        self._replicas: dict[tuple[str, str], _Replica] = {}
        self._ending: list[_Replica] = []
        self._slots: dict[tuple[str, int], tuple[str, str]] = {}
        self._arrivals = Arrivals(Shape.constant(0.0), random.Random(self.seed))
        self._now = 0.0
        self._sampled_at = 0.0

    @property
    def rate(self) -> float:
        """Return the requests per second that are offered now."""
        return self._arrivals.shape.rate(self._now)

    def offer(self, shape: Shape) -> None:
        """Offer *shape* from now on; its times are simulated seconds from now."""
        self._arrivals.shape = Shape([(self._now + at, rate) for at, rate in shape.points])

    def see(self, pods: Iterable[PodSeen], gpus_by_node: Mapping[str, int]) -> None:
        """Take the cluster's pods and nodes as they are now. A pod that is gone takes along what it cannot finish in time."""
        self.gpus_by_node = dict(gpus_by_node)
        found = {pod.key: pod for pod in pods if pod.node}
        for key, replica in list(self._replicas.items()):
            # A pod on another node is another pod of the same name.
            if key not in found or found[key].node != replica.pod.node:
                ending = self._replicas.pop(key)
                ending.ends_at = self._now + self.drain_s
                self._ending.append(ending)
        self._let_go()
        self._slots = {slot: key for slot, key in self._slots.items() if key in self._replicas}
        with_gpu = set(self._slots.values())
        for key, pod in found.items():
            known = self._replicas.get(key)
            if known is None:
                self._replicas[key] = _Replica(pod, VllmPage(self.model), Engine(self.profile))
            else:
                known.pod = pod
            if key not in with_gpu:
                self._give_gpu(pod)

    def _give_gpu(self, pod: PodSeen) -> None:
        for index in range(self.gpus_by_node.get(pod.node, 0)):
            if (pod.node, index) not in self._slots:
                self._slots[pod.node, index] = pod.key
                return

    def _let_go(self) -> None:
        """Take away the ending pods that are done, and those whose time is up with whatever they still have."""
        still: list[_Replica] = []
        for replica in self._ending:
            if replica.engine.outstanding and replica.ends_at is not None and self._now < replica.ends_at:
                still.append(replica)
            else:
                self.failed += replica.engine.outstanding
        self._ending = still

    def advance(self, by_s: float) -> None:
        """Let *by_s* seconds pass: requests arrive, the gateway gives them to ready and routed pods, and those work on them."""
        start, self._now = self._now, self._now + by_s
        ready = [replica for replica in self._replicas.values() if replica.pod.ready]
        self.gateway.accept(self._arrivals.between(start, self._now))
        taking = [replica.engine for replica in ready if replica.pod.routed]
        self.failed += self.gateway.dispatch(taking, start=start, end=self._now)
        for replica in (*ready, *self._ending):
            for done in replica.engine.advance(now=self._now, by_s=by_s):
                self.completed += 1
                self.late += done.held_s + done.time_to_first_token_s > self.slo_s
                replica.page.finished(done)
        self._let_go()
        self.gpu_s += by_s * (len(self._slots) + len(self._ending))
        passed = self._now - self._sampled_at
        if passed >= self.sample_period_s:
            for replica in self._replicas.values():
                busy = replica.engine.busy_s
                replica.util_percent = min(100.0, 100.0 * (busy - replica.busy_before_s) / passed)
                replica.busy_before_s = busy
            self._sampled_at = self._now

    def pods(self) -> list[PodSeen]:
        """Return the pods that are followed."""
        return [replica.pod for replica in self._replicas.values()]

    def outstanding(self) -> int:
        """Return how many requests are held, queued or running."""
        engines = sum(replica.engine.outstanding for replica in (*self._replicas.values(), *self._ending))
        return len(self.gateway.waiting) + engines

    def gateway_page(self) -> bytes:
        """Return the gateway's page."""
        taking = sum(replica.pod.ready and replica.pod.routed for replica in self._replicas.values())
        return self._gateway_page.render(waiting=len(self.gateway.waiting), ready=taking, accepted=self.gateway.accepted)

    def vllm(self, namespace: str, name: str) -> bytes | None:
        """Return the engine's page of a pod; None while its model is not loaded, when nothing listens there."""
        replica = self._replicas.get((namespace, name))
        if replica is None or not replica.pod.ready:
            return None
        replica.page.update(replica.engine, waiting=self._pins(namespace).waiting)
        return replica.page.render()

    def dcgm(self, node: str) -> str | None:
        """Return dcgm-exporter's page of *node*; None for a node that has no GPU."""
        count = self.gpus_by_node.get(node, 0)
        if not count:
            return None
        return dcgm_page(node, [self._gpu(node, index) for index in range(count)], override=self.pins.gpu_util_text)

    def _pins(self, namespace: str) -> Pins:
        return self.pins_by_namespace.get(namespace, self.pins)

    def _gpu(self, node: str, index: int) -> Gpu:
        uuid = _uuid(node, index)
        key = self._slots.get((node, index))
        replica = self._replicas.get(key) if key is not None else None
        if replica is None:
            return Gpu(index, uuid, 0.0, _IDLE_MIB)
        pinned = self._pins(replica.pod.namespace).gpu_util
        util = replica.util_percent if pinned is None else pinned
        return Gpu(index, uuid, util, _LOADED_MIB, Workload(*replica.pod.key, "vllm"))


def _uuid(node: str, index: int) -> str:
    digest = hashlib.sha256(f"{node}/{index}".encode()).hexdigest()
    return f"GPU-{digest[:8]}-{digest[8:12]}-{digest[12:16]}-{digest[16:20]}-{digest[20:32]}"
