"""What the pods of a target hold and wait for: whole GPUs by state and hardware, and the pods on their way by what they wait for.

A GPU is held from the moment in which its pod has a node until the pod is gone, whether it serves or not. The pods of a target are
looked at every few seconds and are mostly the same: then so is the census, without counting.
"""

import enum
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from autoscaler.cost.hardware import Hardware
from autoscaler.resource.scaler import ROUTED
from autoscaler.seen import PodSeen


class State(enum.StrEnum):
    """What a GPU is held for."""

    SERVING = "serving"
    """Its pod is ready and gets requests."""
    WARM = "warm"
    """Its pod is ready and held back from requests."""
    STARTING = "starting"
    """Its pod has a node and is not ready: it pulls its image, loads its model, or has crashed."""
    DRAINING = "draining"
    """Its pod was asked to terminate, and is not gone."""


class Holding(NamedTuple):
    """So many GPUs of one kind in one state; never none."""

    state: State
    hardware: Hardware
    gpus: int


class Waiting(NamedTuple):
    """The pods on their way, by what they wait for. Of one that the scheduler has not looked at yet, nobody can say."""

    unschedulable: int = 0
    image: int = 0  # it has a node, and its containers do not run: images, volumes
    loading: int = 0  # it runs, and is not ready


class Census(NamedTuple):
    """What a target's pods hold and wait for."""

    holdings: tuple[Holding, ...] = ()
    waiting: Waiting = Waiting()

    @property
    def gpus(self) -> int:
        """Return how many GPUs are held in all."""
        return sum(holding.gpus for holding in self.holdings)


@dataclass(slots=True)
class Counting:
    """One target's census, kept until its pods or their nodes change."""

    _pods: Sequence[PodSeen] = ()
    _leaving: Sequence[PodSeen] = ()
    _besides: tuple[int, bool, int] = (-1, False, 0)
    _census: Census = field(default_factory=Census)

    def take(
        self,
        pods: Sequence[PodSeen],
        leaving: Sequence[PodSeen],
        *,
        hardware: Callable[[str], Hardware],
        nodes_version: int,
        pool_offered: bool,
        gpus_per_group: int = 0,
    ) -> Census:
        """Return the census of *pods* and of those that are *leaving*.

        *hardware* tells what a node has, and says the same as long as *nodes_version* is the same. Without *pool_offered* a pod
        that is marked as held back gets requests all the same. *gpus_per_group* is for targets whose replica is a group of pods of
        which only the leader is here: so many GPUs are held with each, on nodes like its own.
        """
        besides = (nodes_version, pool_offered, gpus_per_group)
        if besides != self._besides or pods != self._pods or leaving != self._leaving:
            self._census = _counted(pods, leaving, hardware, pool_offered, gpus_per_group)
            self._pods, self._leaving, self._besides = pods, leaving, besides
        return self._census


def _counted(
    pods: Sequence[PodSeen],
    leaving: Sequence[PodSeen],
    hardware: Callable[[str], Hardware],
    pool_offered: bool,
    gpus_per_group: int,
) -> Census:
    held: Counter[tuple[State, Hardware]] = Counter()
    unschedulable = image = loading = 0
    for pod in pods:
        state = _state(pod, pool_offered)
        if pod.node:
            held[state, hardware(pod.node)] += gpus_per_group or pod.gpus
        if state is not State.STARTING:
            continue
        if pod.running:
            loading += 1
        elif pod.node:
            image += 1
        elif pod.unschedulable_since is not None:
            unschedulable += 1
    for pod in leaving:
        if pod.node:
            held[State.DRAINING, hardware(pod.node)] += gpus_per_group or pod.gpus
    holdings = tuple(Holding(state, kind, gpus) for (state, kind), gpus in sorted(held.items()) if gpus)
    return Census(holdings, Waiting(unschedulable, image, loading))


def _state(pod: PodSeen, pool_offered: bool) -> State:
    if pool_offered and pod.warm(ROUTED):
        # Behind its gate a pod is not ready, however ready its containers are.
        return State.WARM if pod.ready or (pod.gate is False and pod.containers_ready) else State.STARTING
    return State.SERVING if pod.ready else State.STARTING
