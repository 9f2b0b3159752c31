"""What a doctor says: one thing that is wrong, what it is about, and what mends it."""

import enum
from dataclasses import dataclass


class Check(enum.StrEnum):
    """What is looked at; ``docs/doctor.md`` tells of each."""

    DEFINITION_MISSING = "definition-missing"
    DEFINITION_OLD = "definition-old"
    APISERVICE_MISSING = "apiservice-missing"
    APISERVICE_OWNER = "apiservice-owner"
    APISERVICE_UNAVAILABLE = "apiservice-unavailable"
    APISERVICE_INSECURE = "apiservice-insecure"
    DAEMON_MISSING = "daemon-missing"
    DAEMON_NOT_READY = "daemon-not-ready"
    NOT_INSTALLED = "not-installed"
    RIGHT_MISSING = "right-missing"
    NO_LEADER = "no-leader"
    CLOCK_SKEW = "clock-skew"
    SCALER_UNWATCHED = "scaler-unwatched"
    SCALER_NOT_READY = "scaler-not-ready"
    SIGNALS_STALE = "signals-stale"
    CONFLICTING_WRITER = "conflicting-writer"
    CONFLICTING_HPA = "conflicting-hpa"
    CONFLICTING_SCALEDOBJECT = "conflicting-scaledobject"
    TWIN_SCALER = "twin-scaler"
    CAPACITY_BLOCKED = "capacity-blocked"
    WARM_POOL_INEFFECTIVE = "warm-pool-ineffective"
    BOUNDS_EQUAL = "bounds-equal"
    METRIC_UNKNOWN = "metric-unknown"
    METRIC_MISSING = "metric-missing"
    SOURCE_UNREACHABLE = "source-unreachable"
    GPU_SERIES_MISSING = "gpu-series-missing"
    GPU_LABELS_MISSING = "gpu-labels-missing"
    GPU_LABELS_EXPORTED = "gpu-labels-exported"
    GPU_LABELS_MIXED = "gpu-labels-mixed"
    GPU_SERIES_TWICE = "gpu-series-twice"
    EXPORTER_SLOWER_THAN_SCRAPE = "exporter-slower-than-scrape"
    SCRAPE_TOO_SLOW = "scrape-too-slow"
    UNSEEN = "unseen"


class Level(enum.StrEnum):
    """How bad it is."""

    ERROR = "error"
    """Something does not work that is meant to."""
    WARNING = "warning"
    """It works, and not as well as its user would have it."""
    UNSEEN = "unseen"
    """It could not be looked at."""
    NOTE = "note"
    """Nothing is wrong: what this installation goes without, and what that means."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One thing that is wrong."""

    check: Check
    level: Level
    about: str
    says: str
    fix: str
