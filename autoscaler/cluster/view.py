"""Everything that is watched and read, as one: what the controller asks when it looks at a target."""

import asyncio
from collections.abc import Coroutine
from dataclasses import dataclass, field

from adapter.kube.client import Kube
from adapter.kube.watch import Health
from autoscaler.cluster.hpas import Hpas
from autoscaler.cluster.metrics import Metrics
from autoscaler.cluster.nodes import Nodes
from autoscaler.cluster.pods import Pods
from autoscaler.cluster.scalers import Scalers
from autoscaler.cluster.services import Services
from autoscaler.cluster.targets import Targets

Check = tuple[str, bool, str]


@dataclass
class View:
    """The watches and the metrics reader. `run` keeps them going until cancelled."""

    kube: Kube
    namespaces: tuple[str, ...] = ()
    read_s: float = 1.0
    scalers: Scalers = field(init=False)
    targets: Targets = field(init=False)
    pods: Pods = field(init=False)
    services: Services = field(init=False)
    hpas: Hpas = field(init=False)
    nodes: Nodes = field(init=False)
    metrics: Metrics = field(init=False)

    def __post_init__(self) -> None:
        self.scalers = Scalers(kube=self.kube, namespaces=self.namespaces)
        self.targets = Targets(kube=self.kube, namespaces=self.namespaces)
        self.pods = Pods(kube=self.kube, namespaces=self.namespaces)
        self.services = Services(kube=self.kube, namespaces=self.namespaces)
        self.hpas = Hpas(kube=self.kube, namespaces=self.namespaces)
        self.nodes = Nodes(kube=self.kube)
        self.metrics = Metrics(kube=self.kube, pace_s=self.read_s)

    async def run(self) -> None:
        """Watch and read until cancelled."""
        parts: dict[str, Coroutine[object, object, None]] = {
            "scalers": self.scalers.run(),
            "targets": self.targets.run(),
            "pods": self.pods.run(),
            "services": self.services.run(),
            "autoscalers": self.hpas.run(),
            "nodes": self.nodes.run(),
            "metrics": self.metrics.run(),
        }
        async with asyncio.TaskGroup() as group:
            for name, part in parts.items():
                group.create_task(part, name=f"watch {name}")

    def health(self) -> dict[str, Health]:
        """Return how each watch is doing."""
        return {**self._needed(), **self.hpas.health, **self.nodes.health}

    async def synced(self) -> None:
        """Return once every watch has had its first list: a target is not decided on by half a picture.

        Without leave to read HPAs or nodes one can do: other writers are noticed later, and no GPU is known to be shared.
        """
        for health in self._needed().values():
            await health.listed.wait()
        for health in (*self.hpas.health.values(), *self.nodes.health.values()):
            await health.tried.wait()

    def checks(self) -> list[Check]:
        """Return what readiness rests on: the first list of each watch that one cannot do without."""
        return [(name, health.synced, health.last_error or "the first list is not in") for name, health in self._needed().items()]

    def _needed(self) -> dict[str, Health]:
        return {**self.scalers.health, **self.targets.health, **self.pods.health, **self.services.health}
