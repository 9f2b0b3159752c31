"""Who has signed in: opaque names of sessions, each standing for a bearer token that the API server is asked about again and again.

Sessions live in memory: whoever reads the page of a controller that has started anew signs in again. A cookie says nothing by
itself, ends by itself, and is not kept as it is: who reads our memory's keys cannot use them.
"""

import hashlib
import secrets
from collections.abc import Callable
from dataclasses import dataclass

LIFETIME_S = 8 * 3600.0
MOST = 256


@dataclass(frozen=True, slots=True)
class _Session:
    token: str
    until: float


class Sessions:
    """The sessions there are. *clock* counts seconds and never goes back."""

    def __init__(self, *, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._sessions: dict[bytes, _Session] = {}  # the oldest first

    def __len__(self) -> int:
        return len(self._sessions)

    def open(self, token: str) -> str:
        """Return the name of a new session for *token*; the oldest one ends where there are too many."""
        self._end_old()
        while len(self._sessions) >= MOST:
            del self._sessions[next(iter(self._sessions))]
        name = secrets.token_urlsafe(32)
        self._sessions[_key(name)] = _Session(token, self._clock() + LIFETIME_S)
        return name

    def token(self, name: str) -> str | None:
        """Return the token that the session *name* stands for; None where there is no such session, or no longer."""
        found = self._sessions.get(_key(name))
        return found.token if found is not None and self._clock() < found.until else None

    def close(self, name: str) -> None:
        """End a session, if there is one."""
        self._sessions.pop(_key(name), None)

    def _end_old(self) -> None:
        now = self._clock()
        for key in [key for key, session in self._sessions.items() if session.until <= now]:
            del self._sessions[key]


def _key(name: str) -> bytes:
    return hashlib.sha256(name.encode(errors="surrogateescape")).digest()
