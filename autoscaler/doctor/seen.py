"""What the doctor has seen: documents as the API server gave them, and, where it could not look, why not.

What could not be looked at is never taken for absent, nor for well.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from autoscaler.doctor.rights import Right

Document = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Unread:
    """Something that was not seen; *right* is what whoever asked would need to see it, if that was the reason."""

    what: str
    why: str
    right: Right | None = None
    absent: bool = False
    """Whether the API server says that there is no such thing, or no such kind."""


class Names(NamedTuple):
    """What an installation's own objects are called."""

    namespace: str = "leadtime"
    adapter: str = "leadtime-adapter"
    autoscaler: str = "leadtime-autoscaler"


class MetricAsked(NamedTuple):
    """A metric that a scaler names, of the pods that its target selects or of none."""

    namespace: str
    scaler: str
    metric: str
    source: str  # Pods or External


@dataclass(frozen=True, slots=True, kw_only=True)
class Exporter:
    """A dcgm-exporter: how often it reads the GPUs, as its pods are told to."""

    name: str  # NAMESPACE/NAME of the DaemonSet
    interval_s: float
    told: bool  # False: nobody has said, and it is the exporter's default


@dataclass(frozen=True, slots=True, kw_only=True)
class Series:
    """What a Prometheus has of GPUs: how many series in each style of labels, and how often they come."""

    plain: int  # with namespace and pod of the workload
    exported: int  # with exported_namespace and exported_pod
    bare: int  # with no pod at all
    twice: int  # GPUs that are there more than once
    twice_by: tuple[str, ...] = ()  # the jobs that have them
    scrape_intervals_s: Mapping[str, float] | Unread = field(default_factory=dict)  # by job


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """Everything that is judged. None is a thing that is not there; `Unread` one that could not be looked at."""

    now: float  # this machine's clock, Unix seconds
    api_now: float | Unread  # the API server's, at the same moment
    names: Names
    definition: Document | Unread | None = None
    apiservices: Mapping[str, Document | Unread | None] = field(default_factory=dict)  # by name
    deployments: Mapping[str, Document | Unread | None] = field(default_factory=dict)  # by name
    configuration: Document | Unread | None = None  # the adapter's ConfigMap
    lacking: Mapping[str, Sequence[Right] | Unread] = field(default_factory=dict)  # by name of a Deployment that may be there
    lease: Document | Unread | None = None
    scalers: Sequence[Document] | Unread = ()
    hpas: Sequence[Document] | Unread = ()
    scaled_objects: Sequence[Document] | Unread = ()
    metrics: Mapping[MetricAsked, Document | Unread] = field(default_factory=dict)  # the adapter's explanation of each
    exporters: Sequence[Exporter] | Unread = ()
    series: Series | Unread | None = None  # None: no Prometheus was named
