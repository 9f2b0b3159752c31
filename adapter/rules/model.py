"""What a rule is. Configuration and presets make them; sources read their selections; `apply` turns rows into samples.

A rule's value for one object is ``(Σ of) ÷ (Σ over)``. Each term has candidates, tried in order for each object, because
exporters rename their series between versions. A selection is what a source is asked for: rules that need the same series
share one.
"""

import enum
import re
from dataclasses import dataclass, field
from functools import cached_property

from adapter.metric import MetricId


class MatchOp(enum.Enum):
    """Prometheus' four label comparisons; the regular expressions are anchored at both ends."""

    EQUAL = "="
    NOT_EQUAL = "!="
    REGEX = "=~"
    NOT_REGEX = "!~"


@dataclass(frozen=True)
class LabelMatch:
    """A condition on one label; a label that is absent reads as the empty string, as in PromQL."""

    label: str
    op: MatchOp
    value: str

    @cached_property
    def _pattern(self) -> re.Pattern[str]:
        return re.compile(f"(?:{self.value})", re.DOTALL)

    def holds(self, value: str) -> bool:
        """Return whether *value*, the label's, meets the condition."""
        match self.op:
            case MatchOp.EQUAL:
                return value == self.value
            case MatchOp.NOT_EQUAL:
                return value != self.value
            case MatchOp.REGEX:
                return self._pattern.fullmatch(value) is not None
            case MatchOp.NOT_REGEX:
                return self._pattern.fullmatch(value) is None


@dataclass(frozen=True, slots=True)
class Latest:
    """The newest value of a gauge."""


@dataclass(frozen=True, slots=True)
class Rate:
    """The per-second increase of a counter over the last *window_s* seconds; resets are allowed for, per series."""

    window_s: float


@dataclass(frozen=True, slots=True)
class Quantile:
    """The *q*-quantile (0..1) of a classic histogram over the last *window_s* seconds; the name is without ``_bucket``."""

    q: float
    window_s: float


Measure = Latest | Rate | Quantile


@dataclass(frozen=True)
class Selection:
    """The series of one name (or of one PromQL expression), and how to measure each."""

    name: str = ""
    where: tuple[LabelMatch, ...] = ()
    measure: Measure = Latest()
    promql: str = ""  # the escape hatch: sent as it is, only to sources that speak PromQL

    def __post_init__(self) -> None:
        if bool(self.name) == bool(self.promql):
            raise ValueError("a selection names a series or gives a PromQL expression: one of the two")

    def __str__(self) -> str:
        if self.promql:
            return self.promql
        matchers = ",".join(f'{match.label}{match.op.value}"{match.value}"' for match in self.where)
        return f"{self.name}{{{matchers}}}" if matchers else self.name


@dataclass(frozen=True, slots=True)
class Candidate:
    """One spelling of a term: a selection, and what to multiply its values by to get the rule's unit."""

    selection: Selection
    factor: float = 1.0


@dataclass(frozen=True, slots=True)
class Term:
    """A summand. The first candidate that has rows for an object gives that object's value."""

    any_of: tuple[Candidate, ...]


class Fold(enum.Enum):
    """How several values become one."""

    SUM = "sum"
    MEAN = "mean"
    MAX = "max"
    MIN = "min"


@dataclass(frozen=True, slots=True)
class Reducer:
    """How an object's several series become one value.

    Rows that differ only in the labels of *replicated* are copies of one fact (tensor-parallel ranks that each report the
    same queue): the largest of them counts once. What is left is folded by *fold*; None means that a second series is a
    fault of the rule, and is answered as ambiguous.

    *apart* names the labels that tell an object's series from one another, beside those that name the object or its device. A
    source may then put series together that differ in other labels only. None means that they are not known: every label is
    asked for.
    """

    fold: Fold | None = None
    replicated: tuple[str, ...] = ()
    apart: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True)
class PodObject:
    """The row's labels name a pod.

    *pairs* are (namespace label, pod label), tried in order: Prometheus renames a workload's labels to ``exported_…`` when
    it does not honour them, and old exporters have spellings of their own. With *device* the row is about a GPU, and the rows
    of idle GPUs and of the exporter itself belong to no workload.
    """

    pairs: tuple[tuple[str, str], ...] = (
        ("exported_namespace", "exported_pod"),
        ("pod_namespace", "pod_name"),
        ("namespace", "pod"),
    )
    device: bool = False


@dataclass(frozen=True, slots=True)
class NamedObject:
    """The row's labels name any other object; *namespace_label* is None for a root-scoped one, such as a node."""

    resource: str  # plural with group: `services`, `inferenceservices.serving.kserve.io`
    kind: str
    api_version: str
    name_label: str
    namespace_label: str | None


@dataclass(frozen=True, slots=True)
class NamespaceObject:
    """The value describes a namespace (``namespaces/NS/metrics/NAME``); *label* holds its name."""

    label: str = "namespace"


@dataclass(frozen=True, slots=True)
class ExternalObject:
    """No object: served as ``external.metrics.k8s.io``. None for *namespace_label* serves it to every namespace."""

    namespace_label: str | None = "namespace"


Objects = PodObject | NamedObject | NamespaceObject | ExternalObject

#: The resource under which `NamespaceObject` and `ExternalObject` values are kept; no Kubernetes resource has these names.
NAMESPACE_RESOURCE = "namespace-metrics"
EXTERNAL_RESOURCE = "external-metrics"


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """One metric from one source, for one kind of object."""

    name: str  # unique, as `vllm/inference_queue_size`
    metric: str  # as served: one path segment
    source: str
    of: tuple[Term, ...]
    over: tuple[Term, ...] = ()
    objects: Objects = field(default_factory=PodObject)
    reducer: Reducer = field(default_factory=Reducer)
    # How the pods' values become their workload's (`deployments.apps/NAME/METRIC`); None: not served there.
    owner_fold: Fold | None = None
    # A workload's value is served only while at least this share of its ready pods report.
    min_coverage_ratio: float = 0.8
    # Labels that a reader may select on with metricLabelSelector; they stay apart until the read.
    keep: tuple[str, ...] = ()
    max_age_s: float = 60.0
    # Said to stand in for an object without series, and marked as such wherever it is shown; None: it stays missing.
    absent_as: float | None = None

    def selections(self) -> tuple[Selection, ...]:
        """Return every selection that the rule reads, in a fixed order, each once."""
        found = (candidate.selection for term in (*self.of, *self.over) for candidate in term.any_of)
        return tuple(dict.fromkeys(found))

    def label_names(self) -> frozenset[str]:
        """Return the labels that the rule looks at: what a source may not aggregate away."""
        names: set[str] = {*self.keep, *self.reducer.replicated, *(self.reducer.apart or ())}
        match self.objects:
            case PodObject(pairs=pairs, device=device):
                names.update(label for pair in pairs for label in pair)
                if device:
                    names.update(DEVICE_LABELS)
            case NamedObject(name_label=name_label, namespace_label=namespace_label):
                names.update({name_label} | ({namespace_label} if namespace_label else set()))
            case NamespaceObject(label=label):
                names.add(label)
            case ExternalObject(namespace_label=namespace_label):
                names.update({namespace_label} if namespace_label else set())
        return frozenset(names)

    def keeps_all_labels(self) -> bool:
        """Return whether every label matters.

        They do where what tells series apart is not known, or a source that put them together would change their fold; and for
        an external metric that names no labels to keep, which is served with all of them.
        """
        return self.reducer.apart is None or (isinstance(self.objects, ExternalObject) and not self.keep)

    def metric_id(self) -> MetricId:
        """Return what the rule serves."""
        match self.objects:
            case PodObject():
                return MetricId("pods", self.metric)
            case NamedObject(resource=resource):
                return MetricId(resource, self.metric)
            case NamespaceObject():
                return MetricId(NAMESPACE_RESOURCE, self.metric)
            case ExternalObject():
                return MetricId(EXTERNAL_RESOURCE, self.metric)


#: The labels that tell one GPU, MIG instance or share of a GPU from another, in every spelling that dcgm-exporter has had,
#: and those that tell a workload's row from the exporter's own.
DEVICE_LABELS = frozenset(
    {
        "UUID", "uuid", "gpu", "GPU_I_ID", "GPU_I_PROFILE", "vgpu", "hostname", "Hostname", "instance", "job",
        "container", "exported_container", "container_name", "pod_uid", "dra_device_name", "dra_pool_name", "dra_mig_device_uuid",
    }
)  # fmt: skip
