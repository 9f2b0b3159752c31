"""What a server of requests is to those who send it some: the door behind which an LLM engine and a classic server look alike."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from autoscaler.simulation.service import Gauges

NEVER = float("inf")


@dataclass(slots=True, eq=False)
class Request:
    """One request on its way. Two are the same only if they are one object."""

    at: float
    """When it came, in seconds."""
    prompt_tokens: int
    output_tokens: int
    luck: float = 1.0
    """How much more than the mean it takes, where service times are chance: the same for every policy that is compared."""
    pod: int | None = None
    """Who has it; None: the router, or nobody any more."""
    waits: bool = True
    """Whether its client still waits for the first token: only then may the client give up."""
    first_token_at: float = NEVER


class Engine(Protocol):
    """A server that says when it next does something by itself. Nothing about it changes between `fire`, `take` and `abandon`."""

    due: float
    """When to `fire` it, in seconds; `NEVER` while it has nothing to do."""
    outstanding: int
    """How many requests it has whose clients have not given up."""

    def fire(self) -> None:
        """Do what is due at `due`."""
        ...

    def take(self, request: Request, *, now: float) -> None:
        """Queue *request*."""
        ...

    def abandon(self, request: Request, *, now: float) -> None:
        """Drop *request*, which is here and whose client has given up before its first token."""
        ...

    def inside(self) -> Sequence[Request]:
        """Return the requests that are `outstanding`."""
        ...

    def gauges(self, *, now: float) -> Gauges:
        """Return what it shows at *now*, which is no later than `due`."""
        ...
