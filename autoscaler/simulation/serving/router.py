"""Who gets the next request, and who waits until there is somebody."""

import heapq
from collections import deque
from collections.abc import Iterable

from autoscaler.simulation import world
from autoscaler.simulation.serving.engine import NEVER, Request


class Router:
    """The pod with the fewest requests gets the next, as the router knows them; of several, the one whose turn was longest ago.

    A plain router looks every *stale_s*, and adds what it gave out itself since. A gateway with *in_flight_per_pod* counts its own
    requests in every pod, and so does one whose *stale_s* is 0: they always know.
    """

    __slots__ = ("_heap", "_looks", "_most", "_stale_s", "_turn", "_views", "held", "holds", "knows", "look_at")

    def __init__(self, router: world.Router, *, holds: bool) -> None:
        self.holds = holds
        """Whether requests are kept while there is no pod at all."""
        self.knows = router.in_flight_per_pod is not None or router.stale_s <= 0.0
        """Whether it has to be told of everything by `saw`; otherwise it has to `look` at `look_at`."""
        self.look_at = NEVER if self.knows else router.stale_s
        """When it looks again."""
        self.held: deque[Request] = deque()
        """Requests that no pod takes, first come first."""
        self._stale_s = router.stale_s
        self._most = NEVER if router.in_flight_per_pod is None else router.in_flight_per_pod
        self._views: dict[int, tuple[int, int, int]] = {}  # of each pod: its requests, when it had its turn, its number
        self._heap: list[tuple[int, int, int]] = []  # the views, and some that are outdated
        self._turn = 0
        self._looks = 1

    def keeps(self) -> bool:
        """Return whether a request that no pod takes now is kept: without any pod, only where there is somebody who holds it."""
        return self.holds or bool(self._views)

    def routes_to(self, pod: int) -> bool:
        """Return whether *pod* gets requests."""
        return pod in self._views

    def open(self, pod: int, outstanding: int) -> None:
        """Give requests to *pod*, which has *outstanding*."""
        self._see((outstanding, self._turn, pod))

    def close(self, pod: int) -> None:
        """Give *pod* no more."""
        self._views.pop(pod, None)

    def saw(self, pod: int, outstanding: int) -> None:
        """Know at once that *pod* has *outstanding*."""
        view = self._views.get(pod)
        if view is not None and view[0] != outstanding:
            self._see((outstanding, view[1], pod))

    def look(self, outstanding: Iterable[tuple[int, int]]) -> None:
        """Know how many requests the pods have; forget what it gave out itself."""
        self._looks += 1
        self.look_at = self._looks * self._stale_s
        views = self._views
        for pod, count in outstanding:
            view = views.get(pod)
            if view is not None and view[0] != count:
                views[pod] = (count, view[1], pod)
        self._heap = sorted(views.values())

    def pick(self) -> int | None:
        """Return the pod that gets a request now, and count it; None when no pod takes one."""
        heap = self._heap
        while heap and self._views.get(heap[0][2]) is not heap[0]:
            heapq.heappop(heap)
        if not heap or heap[0][0] >= self._most:
            return None
        count, _, pod = heap[0]
        self._turn += 1
        view = (count + 1, self._turn, pod)
        self._views[pod] = view
        heapq.heapreplace(heap, view)
        return pod

    def _see(self, view: tuple[int, int, int]) -> None:
        self._views[view[2]] = view
        heapq.heappush(self._heap, view)
