"""Where pods go: nodes that are there, and those that come while pods wait for room. Nodes do not go away again."""

import math
from dataclasses import dataclass

from autoscaler.simulation import chance
from autoscaler.simulation.world import Nodes


@dataclass(slots=True)
class Node:
    """A node, with its free places, and when it has the image, or None: nothing has pulled it."""

    free: int
    image_at: float | None = None

    def pulled_at(self, now: float, image_s: float) -> float:
        """Return when a pod that came *now* has its image; pods that come during a pull wait for the same one."""
        if self.image_at is None:
            self.image_at = now + image_s
        return max(now, self.image_at)


class Places:
    """All nodes. Pods go where the image is or comes soonest, then where least is free: GPU nodes are packed, not spread."""

    def __init__(self, nodes: Nodes, seed: int) -> None:
        """Begin with the nodes that are ready."""
        self._nodes = nodes
        self._seed = seed
        self._unused = nodes.ready
        self._used: list[Node] = []
        self._ordered = 0
        self._coming = 0

    def take(self, now: float) -> Node | None:
        """Return the node that has a place for one more pod, and take it; None where there is no room."""
        open_nodes = [node for node in self._used if node.free > 0]
        if open_nodes:
            node = min(open_nodes, key=lambda each: (max(now, each.image_at or now), each.free))
        elif self._unused > 0 and self._nodes.pods_per_node > 0:
            self._unused -= 1
            node = Node(self._nodes.pods_per_node)
            self._used.append(node)
        else:
            return None
        node.free -= 1
        return node

    def order(self, pending: int) -> list[float]:
        """Return how long each node takes that must come for *pending* pods, beside those that come already."""
        if self._nodes.pods_per_node < 1:
            return []
        needed = math.ceil(pending / self._nodes.pods_per_node) - self._coming
        there = len(self._used) + self._unused + self._coming
        ordered = [self._provision_s() for _ in range(min(needed, self._nodes.most - there))]
        self._coming += len(ordered)
        return ordered

    def arrive(self) -> None:
        """Have one of the ordered nodes there."""
        self._coming -= 1
        self._unused += 1

    def _provision_s(self) -> float:
        self._ordered += 1
        least, most = self._nodes.provision_s
        return least + (most - least) * float(chance.generator(self._seed, chance.Cause.NODES, self._ordered).random())
