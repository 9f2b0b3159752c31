"""The nouns that everything else is about: which object, which metric, what was measured, and why something is missing.

Values here are frozen and know no I/O. Times are Unix seconds, ratios run from 0 to 1, and a value that is not there is a
`Missing` with its reason: never zero.
"""

import enum
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

Labels = Mapping[str, str]


class ObjectRef(NamedTuple):
    """A Kubernetes object as the metrics API's paths name it; a tuple, because every look-up hashes one.

    *resource* is the plural with its group, such as ``pods`` or ``deployments.apps``; *namespace* is empty for a root-scoped
    object such as a node.
    """

    resource: str
    namespace: str
    name: str

    def __str__(self) -> str:
        return "/".join(part for part in (self.namespace, self.resource, self.name) if part)


@dataclass(frozen=True, slots=True, order=True)
class MetricId:
    """A metric on a kind of object: what a reader asks for, without the object's name."""

    resource: str
    metric: str

    def __str__(self) -> str:
        return f"{self.resource}/{self.metric}"


class Row(NamedTuple):
    """One series as a source saw it last: its labels (without the name), its value, and when it was measured (Unix seconds)."""

    labels: Labels
    value: float
    at: float


@dataclass(frozen=True, slots=True)
class Sample:
    """What one object's metric was, and when."""

    value: float
    at: float  # Unix seconds of the oldest measurement in it
    window_s: float | None = None  # what a rate or a quantile was taken over
    series: int = 1  # how many series it was made of
    shared: bool = False  # the device behind it is shared with other pods

    def __post_init__(self) -> None:
        if not math.isfinite(self.value):
            raise ValueError(f"a sample is a finite number, and {self.value} is Missing: give its reason instead")


class Reason(enum.Enum):
    """Why there is no value: the first words that a reader sees, and the HTTP status that they travel under."""

    UNKNOWN_METRIC = ("unknown metric", 404)
    WARMING = ("warming up", 503)
    SOURCE_DOWN = ("source down", 503)
    SOURCE_TIMEOUT = ("source timed out", 503)
    SOURCE_UNAUTHORIZED = ("source refused our credentials", 503)
    SOURCE_TLS = ("TLS to source failed", 503)
    SOURCE_REJECTED = ("source rejected the query", 503)
    SOURCE_UNREADABLE = ("source sent what cannot be read", 503)
    SOURCE_PARTIAL = ("source answered only in part", 503)
    TOO_MANY_SERIES = ("too many series", 503)
    STALE = ("stale", 503)
    NOT_A_NUMBER = ("not a number", 503)
    BLANK = ("DCGM blank value", 503)
    NO_SERIES = ("no series", 404)
    LABEL_MISSING = ("label missing", 404)
    OBJECT_UNKNOWN = ("no such object", 404)
    SELECTOR_EMPTY = ("selector matches no live pod", 404)
    LOW_COVERAGE = ("too few pods report", 503)
    AMBIGUOUS = ("ambiguous", 503)
    RULE_BROKEN = ("rule failed", 503)

    def __init__(self, words: str, http_status: int) -> None:
        self.words = words
        self.http_status = http_status


@dataclass(frozen=True, slots=True)
class Missing:
    """No value, and why: the reason, what it is about in a few words, and since when (Unix seconds)."""

    reason: Reason
    detail: str = ""
    since: float | None = None
    rule: str = ""
    source: str = ""

    def message(self, *, now: float, limit: int = 200) -> str:
        """Return the cause first, then rule, source and age, in at most *limit* characters.

        HPA copies it into its condition, so the first words must carry it alone.
        """
        tail = "".join(
            (
                f" [rule {self.rule}]" if self.rule else "",
                f" [source {self.source}]" if self.source else "",
                f" [for {max(0.0, now - self.since):.0f}s]" if self.since is not None else "",
            )
        )
        head = f"{self.reason.words}: {self.detail}" if self.detail else self.reason.words
        if len(head) + len(tail) > limit and self.detail:
            # The reason's words stay whole, whatever the rule and the source are called.
            head = head[: max(len(self.reason.words), limit - len(tail) - 1)] + "…"
        return (head + tail)[:limit]
