"""What has become of the requests: engines and the router report it as it happens, in the order of time."""

import bisect
from collections.abc import Sequence

from autoscaler.simulation import service, world
from autoscaler.simulation.serving.engine import Request


class Ledger:
    """Counts each request once, and judges it by the SLO when it is done."""

    __slots__ = ("_first_tokens_at", "_slo", "tally")

    def __init__(self, slo: world.Slo) -> None:
        self.tally = service.Tally()
        self._slo = slo
        self._first_tokens_at: list[float] = []  # ascending, beside tally.first_token_s

    def came(self) -> None:
        """One came."""
        self.tally.came += 1.0

    def answered(self, request: Request, *, at: float) -> None:
        """*request* has its first token: from now on its client stays."""
        request.waits = False
        request.first_token_at = at
        self.tally.first_token_s.append((at - request.at, 1.0))
        self._first_tokens_at.append(at)

    def completed(self, request: Request, *, at: float) -> None:
        """*request*, which was answered, has its last token."""
        tally, first, later = self.tally, request.first_token_at, request.output_tokens - 1
        tally.completed += 1.0
        # As a product, for an answer of one token has no time between tokens.
        if first - request.at > self._slo.first_token_s or at - first > self._slo.between_tokens_s * later:
            tally.late += 1.0

    def timed_out(self, request: Request) -> None:
        """The client of *request* gave up."""
        request.waits = False
        self.tally.timed_out += 1.0

    def refused(self, request: Request) -> None:
        """Nobody took *request*."""
        request.waits = False
        self.tally.refused += 1.0

    def killed(self, requests: Sequence[Request]) -> None:
        """The server of *requests* was taken away."""
        for request in requests:
            request.waits = False
        self.tally.killed += len(requests)

    def first_tokens(self, *, since: float) -> Sequence[tuple[float, float]]:
        """Return (time to first token, 1) of those that had theirs at or after *since*, in the order in which they had it."""
        return self.tally.first_token_s[bisect.bisect_left(self._first_tokens_at, since) :]
