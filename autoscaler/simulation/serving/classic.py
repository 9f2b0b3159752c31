"""One classic server: whole batches, or, for queueing theory, one request at a time in an exponentially distributed time."""

from collections import deque
from collections.abc import Sequence

from autoscaler.simulation import service, world
from autoscaler.simulation.serving import ledger as ledgers
from autoscaler.simulation.serving.engine import NEVER, Request


class BatchServer:
    """The server of `world.Classic`. It never waits to fill a batch; the first token of an answer is the answer.

    A request whose client gives up while it is in the batch is computed all the same.
    """

    __slots__ = ("_batch", "_busy_s", "_classic", "_ledger", "_most", "_since", "_waiting", "due", "outstanding")

    def __init__(self, classic: world.Classic, ledger: ledgers.Ledger) -> None:
        self.due = NEVER
        self.outstanding = 0
        self._classic = classic
        self._ledger = ledger
        self._most = 1 if classic.exponential else classic.max_batch
        self._waiting: deque[Request] = deque()
        self._batch: list[Request] = []
        self._since = 0.0  # when the batch was begun
        self._busy_s = 0.0  # before that

    def fire(self) -> None:
        """Answer the batch, and begin the next with those that wait."""
        now = self.due
        self._busy_s += now - self._since
        for request in self._wanted():
            self.outstanding -= 1
            self._ledger.answered(request, at=now)
            self._ledger.completed(request, at=now)
        self._batch = []
        self.due = NEVER
        self._begin(now)

    def take(self, request: Request, *, now: float) -> None:
        """Queue *request*; an idle server begins at once."""
        self.outstanding += 1
        self._waiting.append(request)
        if not self._batch:
            self._begin(now)

    def abandon(self, request: Request, *, now: float) -> None:  # noqa: ARG002 — as every engine's
        """Drop *request*; where it is in the batch, only nobody waits for it any more."""
        self.outstanding -= 1
        if request not in self._batch:
            self._waiting.remove(request)

    def inside(self) -> Sequence[Request]:
        """Return the requests that are `outstanding`, those that came last at the end."""
        return self._wanted() + list(self._waiting)

    def _wanted(self) -> list[Request]:
        """Return those of the batch whose clients still wait."""
        return [request for request in self._batch if request.waits]

    def gauges(self, *, now: float) -> service.Gauges:
        """Return its queue, its batch and the time of its batches; it has no KV cache."""
        busy_s = self._busy_s + (now - self._since if self._batch else 0.0)
        return service.Gauges(len(self._waiting), len(self._batch), 0.0, busy_s)

    def _begin(self, now: float) -> None:
        while self._waiting and len(self._batch) < self._most:
            self._batch.append(self._waiting.popleft())
        if not self._batch:
            return
        self._since = now
        took_s = self._classic.batch_s + self._classic.item_s * len(self._batch)
        self.due = now + (took_s * self._batch[0].luck if self._classic.exponential else took_s)
