"""The life of pods: a target's ReplicaSet, the nodes' agents and the endpoints, and what all of it costs in GPU time."""

import functools
from collections import Counter
from collections.abc import Iterable, Mapping

from autoscaler.simulation.agenda import Agenda
from autoscaler.simulation.nodes import Node, Places
from autoscaler.simulation.outcome import GpuSeconds
from autoscaler.simulation.pod import Phase, Pod
from autoscaler.simulation.service import Service
from autoscaler.simulation.sight import PodSight
from autoscaler.simulation.startup import Luck
from autoscaler.simulation.world import World

DRAIN_LOOK_S = 1.0
"""How often a pod that is to go looks whether it has anything left to do."""

_EMPTY = 1e-6  # requests: a fluid never runs quite dry


class Pods:
    """All pods of the target, from one moment to the next. Every method acts at *now*, up to which the service was advanced."""

    def __init__(self, world: World, seed: int, service: Service, agenda: Agenda) -> None:
        """Begin with the world's first pods, ready since the beginning. Raises `ValueError` where they have no room."""
        self._world = world
        self._seed = seed
        self._service = service
        self._agenda = agenda
        self._places = Places(world.nodes, seed)
        self._alive: dict[int, Pod] = {}
        self._unplaced: list[Pod] = []
        self._sights: tuple[PodSight, ...] | None = None
        self._spent = dict.fromkeys(Phase, 0.0)
        self._busy_s = 0.0
        self._created = 0
        self.version = 0
        """Changes with everything that `sights` shows."""
        for _ in range(world.first_replicas):
            self._first()

    @property
    def starts(self) -> int:
        """How many pods were created since the beginning."""
        return self._created - self._world.first_replicas

    def alive(self) -> Iterable[Pod]:
        """Return the pods that are not gone, the oldest first."""
        return self._alive.values()

    def sights(self) -> tuple[PodSight, ...]:
        """Return the pods as the API server shows them, the oldest first."""
        if self._sights is None:
            self._sights = tuple(pod.sight() for pod in self._alive.values())
        return self._sights

    def phases(self) -> Counter[Phase]:
        """Return how many pods there are in each phase."""
        return Counter(pod.phase for pod in self._alive.values())

    def spent(self, now: float) -> GpuSeconds:
        """Return the GPU time up to *now*."""
        for pod in self._alive.values():
            self._account(pod, now)
        gpus = self._world.gpus_per_pod
        return GpuSeconds(
            serving=self._spent[Phase.SERVING] * gpus,
            starting=self._spent[Phase.STARTING] * gpus,
            warm=self._spent[Phase.WARM] * gpus,
            draining=self._spent[Phase.DRAINING] * gpus,
            busy=self._busy_s * gpus,
        )

    def scale(self, replicas: int, victims: Iterable[str], now: float) -> None:
        """Create pods, or delete some, until *replicas* are there that are not on their way out."""
        staying = [pod for pod in self._alive.values() if not pod.terminating]
        for _ in range(replicas - len(staying)):
            self._create(now)
        places = {name: place for place, name in enumerate(victims)}
        staying.sort(key=functools.partial(_standing, places))
        for pod in staying[: max(0, len(staying) - replicas)]:
            self._delete(pod, now)

    def route(self, names: Iterable[str], now: float) -> None:
        """Give requests to those pods of *names* that are held back. Names that are not there are passed over, as by a 404."""
        self._hold(names, now, held=False)

    def hold(self, names: Iterable[str], now: float) -> None:
        """Hold those pods of *names* back from requests; one that is not ready yet will be warm once it is."""
        self._hold(names, now, held=True)

    def _hold(self, names: Iterable[str], now: float, *, held: bool) -> None:
        wanted = set(names)
        if not wanted:
            return
        for pod in self._alive.values():
            if pod.name not in wanted or pod.terminating or pod.held is held:
                continue
            pod.held = held
            self._changed(pod)
            if pod.ready_at is None:
                continue
            if held and not pod.routed:
                self._enter(pod, Phase.WARM, now)
            self._tell_endpoints(pod, now)

    def _first(self) -> None:
        pod = self._born(0.0)
        node = self._places.take(0.0)
        if node is None:
            nodes, first = self._world.nodes, self._world.first_replicas
            raise ValueError(
                f"world: first_replicas {first} do not fit on {nodes.ready} nodes of {nodes.pods_per_node} places:"
                " have more nodes ready, or begin with fewer pods"
            )
        # It became ready as the run began, after a start like any other: what learns from timestamps sees a true one.
        pod.node, node.image_at = node, 0.0
        pod.created_at = -pod.luck.total_s
        pod.scheduled_at = pod.created_at + pod.luck.scheduling_s
        pod.started_at = pod.scheduled_at + pod.luck.image_s
        pod.ready_at = 0.0
        self._endpoints_changed(pod, 0.0)

    def _born(self, now: float) -> Pod:
        self._created += 1
        pod = Pod(self._created, Luck(self._world.startup, self._seed, self._created), now)
        self._alive[pod.number] = pod
        self._changed(pod)
        return pod

    def _create(self, now: float) -> None:
        pod = self._born(now)
        self._agenda.put(now + pod.luck.scheduling_s, functools.partial(self._find_node, pod))

    def _find_node(self, pod: Pod, now: float) -> None:
        if pod.gone:
            return
        node = self._places.take(now)
        if node is not None:
            self._scheduled(pod, node, now)
            return
        self._unplaced.append(pod)
        for after_s in self._places.order(len(self._unplaced)):
            self._agenda.put(now + after_s, self._node_came)

    def _node_came(self, now: float) -> None:
        self._places.arrive()
        self._fill(now)

    def _fill(self, now: float) -> None:
        while self._unplaced:
            node = self._places.take(now)
            if node is None:
                return
            self._scheduled(self._unplaced.pop(0), node, now)

    def _scheduled(self, pod: Pod, node: Node, now: float) -> None:
        pod.node, pod.scheduled_at = node, now
        self._enter(pod, Phase.STARTING, now)
        self._changed(pod)
        self._agenda.put(node.pulled_at(now, pod.luck.image_s), functools.partial(self._started, pod))

    def _started(self, pod: Pod, now: float) -> None:
        if pod.gone:
            return
        pod.started_at = now
        self._changed(pod)
        self._load(pod, now)

    def _load(self, pod: Pod, now: float) -> None:
        if pod.gone or pod.started_at is None:
            return
        loading_s, fails = pod.luck.attempt()
        if fails:
            self._agenda.put(now + loading_s, functools.partial(self._load, pod))
        else:
            self._agenda.put(pod.luck.probed_at(pod.started_at, now + loading_s), functools.partial(self._ready, pod))

    def _ready(self, pod: Pod, now: float) -> None:
        if pod.gone:
            return
        pod.ready_at = now
        self._changed(pod)
        if pod.held:
            self._enter(pod, Phase.WARM, now)
        else:
            self._tell_endpoints(pod, now)

    def _tell_endpoints(self, pod: Pod, now: float) -> None:
        self._agenda.put(now + pod.luck.endpoint_s(), functools.partial(self._endpoints_changed, pod))

    def _endpoints_changed(self, pod: Pod, now: float) -> None:
        """Have endpoints as the pod is now, not as it was when they were told."""
        routed = not pod.held and not pod.terminating
        if pod.gone or routed is pod.routed:
            return
        pod.routed = routed
        if routed:
            pod.added = True
            self._service.add(pod.number)
            self._enter(pod, Phase.SERVING, now)
            return
        self._service.withdraw(pod.number)
        if pod.terminating:
            self._end_when_empty(pod, now)
        else:
            self._enter(pod, Phase.WARM, now)

    def _delete(self, pod: Pod, now: float) -> None:
        pod.terminating = True
        self._changed(pod)
        if pod.ready_at is None:
            self._end(pod, now)
            return
        self._enter(pod, Phase.DRAINING, now)
        if pod.routed:
            self._tell_endpoints(pod, now)
        else:
            self._end_when_empty(pod, now)
        self._agenda.put(now + self._world.drain_s, functools.partial(self._end, pod))

    def _end_when_empty(self, pod: Pod, now: float) -> None:
        if pod.gone:
            return
        if not pod.added or self._service.outstanding(pod.number) <= _EMPTY:
            self._end(pod, now)
        else:
            self._agenda.put(now + DRAIN_LOOK_S, functools.partial(self._end_when_empty, pod))

    def _end(self, pod: Pod, now: float) -> None:
        """Have the pod gone, with whatever it still has."""
        if pod.gone:
            return
        self._account(pod, now)
        pod.gone = True
        del self._alive[pod.number]
        self._changed(pod)
        if pod.added:
            self._service.remove(pod.number)
        if pod.node is not None:
            pod.node.free += 1
            self._fill(now)
        elif pod in self._unplaced:
            self._unplaced.remove(pod)

    def _changed(self, pod: Pod) -> None:
        pod.shown = None
        self._sights = None
        self.version += 1

    def _enter(self, pod: Pod, phase: Phase, now: float) -> None:
        self._account(pod, now)
        pod.phase = phase
        if phase is Phase.SERVING:
            pod.busy_from_s = self._service.gauges(pod.number).busy_s

    def _account(self, pod: Pod, now: float) -> None:
        """Have the time that *pod* spent in its phase paid for up to *now*."""
        self._spent[pod.phase] += now - pod.since
        pod.since = now
        if pod.phase is Phase.SERVING:
            busy_s = self._service.gauges(pod.number).busy_s
            self._busy_s += busy_s - pod.busy_from_s
            pod.busy_from_s = busy_s


def _standing(places: Mapping[str, int], pod: Pod) -> tuple[bool, bool, bool, int, int]:
    """Return how far from its end the pod is when the ReplicaSet controller has too many, *places* being those of the victims.

    What no node has yet does not run either, and goes before what is being started.
    """
    known = (pod.scheduled_at is not None, pod.started_at is not None, pod.ready_at is not None)
    return (*known, places.get(pod.name, len(places)), -pod.number)
