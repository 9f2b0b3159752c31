"""What an InferenceScaler says, once it is checked: the policy for the decision, and where the cluster keeps what it needs."""

import enum
import zlib
from dataclasses import dataclass
from typing import NamedTuple

from autoscaler.decision.model import Policy, Source
from autoscaler.decision.schedule import Boost

GROUP = "leadtime.dev"
VERSION = "v1alpha1"
KIND = "InferenceScaler"
PLURAL = "inferencescalers"
API_VERSION = f"{GROUP}/{VERSION}"
#: The field manager of everything that we write: managedFields tell by it what is ours.
MANAGER = "leadtime"
#: A pod with this label set to ``false`` is warm: ready, and selected by no Service that asks for ``true``. It is also the
#: type of the readiness gate that does the same for those who know readiness alone.
ROUTED = f"{GROUP}/routed"


class Key(NamedTuple):
    """Names an InferenceScaler."""

    namespace: str
    name: str

    def __str__(self) -> str:
        return f"{self.namespace}/{self.name}"

    def moment(self, period_s: float) -> float:
        """Return its own moment in a period, always the same: a thousand do nothing at once."""
        return zlib.crc32(str(self).encode()) / 2**32 * period_s


class TargetRef(NamedTuple):
    """What is scaled: anything with a ``/scale`` subresource in the scaler's namespace."""

    api_version: str
    kind: str
    name: str

    def __str__(self) -> str:
        return f"{self.kind}/{self.name}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Query:
    """Where one signal's values are: a metric of the target's pods, of one object, or of none."""

    source: Source
    metric: str
    metric_selector: str = ""  # on the metric's own labels, as a query string spells it
    described: TargetRef | None = None  # Object: what the metric is about


@dataclass(frozen=True, slots=True, kw_only=True)
class Schedule:
    """A recurring stretch of time with bounds of its own; *start* and *end* are five-field cron lines in *time_zone*."""

    name: str
    start: str
    end: str
    time_zone: str = "UTC"
    min_replicas: int | None = None
    max_replicas: int | None = None


class Mechanism(enum.StrEnum):
    """How pods of the warm pool are kept from requests."""

    LABEL = "Label"
    """The Service selects the label, and the controller flips it. Fails open: a dead controller leaves new pods routed."""
    GATE = "Gate"
    """A readiness gate that the controller passes. Fails closed."""
    HEADROOM = "Headroom"
    """Nothing to hold pods back with: the pool is plain extra replicas."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Scaler:
    """A checked InferenceScaler. `queries` stand in the order of ``policy.signals``."""

    key: Key
    uid: str
    generation: int
    created_at: float
    target: TargetRef
    policy: Policy
    queries: tuple[Query, ...]
    schedules: tuple[Schedule, ...] = ()
    boost: Boost | None = None
    history_query: str = ""  # the PromQL of the load's past, in replicas' worth; empty: what we have exported of it
    notes: tuple[str, ...] = ()  # what is legal and yet not what the user may have meant
