"""What is to happen, in the order of virtual time."""

import heapq
from collections.abc import Callable, Iterator

Act = Callable[[float], None]
"""Something that happens; it is told the time."""


class Agenda:
    """Acts and when they are due. Those due at the same moment happen in the order in which they were put down."""

    __slots__ = ("_count", "_heap")

    def __init__(self) -> None:
        """Begin with nothing."""
        self._heap: list[tuple[float, int, Act]] = []
        self._count = 0

    def put(self, at: float, act: Act) -> None:
        """Have *act* happen *at* that time."""
        self._count += 1
        heapq.heappush(self._heap, (at, self._count, act))

    def due(self, until: float) -> Iterator[tuple[float, Act]]:
        """Take what is due up to *until*, the earliest first, with what is put down meanwhile."""
        heap = self._heap
        while heap and heap[0][0] <= until:
            at, _, act = heapq.heappop(heap)
            yield at, act
