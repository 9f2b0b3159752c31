"""What can go wrong, by who can do something about it.

`ConfigError` is the user's to fix and lists every problem at once. `SourceError` and `ApiServerError` are the outside world's:
they are kept as data and waited out. Anything else is our bug and is allowed to be loud.
"""

import enum
from collections.abc import Sequence
from dataclasses import dataclass
from http import HTTPStatus


class AdapterError(Exception):
    """The base of every error that this package raises on purpose."""


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing wrong with a configuration file: where it stands, and what to do."""

    path: str  # as in `rules[2].maxAge`; empty when the file as a whole is meant
    message: str
    line: int | None = None  # 1-based

    def __str__(self) -> str:
        place = ", ".join(part for part in (f"line {self.line}" if self.line else "", self.path) if part)
        return f"{place}: {self.message}" if place else self.message


class ConfigError(AdapterError):
    """A configuration is refused, whole; `problems` lists everything that is wrong with it."""

    def __init__(self, file: str, problems: Sequence[Problem]) -> None:
        self.file = file
        self.problems = tuple(problems)
        super().__init__(f"{file}: " + "; ".join(str(problem) for problem in self.problems))


class Fault(enum.Enum):
    """Why a source gave no rows."""

    DOWN = "source down"
    TIMEOUT = "source timed out"
    UNAUTHORIZED = "source refused our credentials"
    TLS = "TLS to source failed"
    REJECTED = "source rejected the query"
    PARSE = "source sent what cannot be read"
    PARTIAL = "source answered only in part"
    TOO_MANY = "too many series"


class SourceError(AdapterError):
    """A source could not be read. `fault` says in which way and `detail` what it answered; no secret is in either."""

    def __init__(self, source: str, fault: Fault, detail: str) -> None:
        self.source = source
        self.fault = fault
        self.detail = detail
        super().__init__(f"{fault.value}: {source}: {detail}")


class ApiServerError(AdapterError):
    """The Kubernetes API server did not do what it was asked; `status` is its HTTP status, 0 when it gave none."""

    def __init__(self, status: int, detail: str) -> None:
        self.status = status
        self.detail = detail
        super().__init__(f"Kubernetes API server: {status or 'no answer'}: {detail}")

    @property
    def lasting(self) -> bool:
        """Whether it will be refused for as long as nobody mends it: no right, no room, an admission webhook, an older schema."""
        return 400 <= self.status < 500 and self.status not in (HTTPStatus.CONFLICT, HTTPStatus.TOO_MANY_REQUESTS)
