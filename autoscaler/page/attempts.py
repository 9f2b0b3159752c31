"""Attempts to sign in with what the API server knows as nobody's token: so many from one address, and then it has to wait.

By address, so that who guesses keeps nobody else out; whoever comes by port-forward has the address of all who do.
"""

from collections.abc import Callable

MOST = 20
WITHIN_S = 60.0
_ADDRESSES = 1024


class Attempts:
    """The attempts that were refused of late. *clock* counts seconds and never goes back."""

    def __init__(self, *, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._refused: dict[str, list[float]] = {}  # when, by address; the one that was refused last comes last

    def __len__(self) -> int:
        return len(self._refused)

    def allowed(self, address: str) -> bool:
        """Return whether *address* may try: not after `MOST` refusals within `WITHIN_S`."""
        return len(self._of_late(address)) < MOST

    def refused(self, address: str) -> None:
        """Count an attempt from *address*; who was refused longest ago is forgotten where there are too many."""
        of_late = [*self._of_late(address), self._clock()]
        self._refused.pop(address, None)
        while len(self._refused) >= _ADDRESSES:
            del self._refused[next(iter(self._refused))]
        self._refused[address] = of_late[-MOST:]

    def _of_late(self, address: str) -> list[float]:
        now = self._clock()
        return [at for at in self._refused.get(address, ()) if now - at < WITHIN_S]
