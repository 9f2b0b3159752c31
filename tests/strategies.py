"""What hypothesis draws from in tests of several modules: pods, selectors, rows, samples, rules, and whole states of the adapter.

Names come from small pools, so that things meet: a pod and its value, a selector and the labels that it matches.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from hypothesis import strategies as st

from adapter.metric import MetricId, Missing, ObjectRef, Reason, Row, Sample
from adapter.rules import model
from adapter.snapshot import RuleResult, Snapshot, Value
from adapter.workload import Inventory, Owner, Pod

#: When everything that is drawn is looked at, Unix seconds.
NOW = 1_800_000_000.0

NAMESPACES = ("team-a", "team-b")
POD_NAMES = ("p0", "p1", "p2", "p3", "p4")
METRICS = ("queue", "utilization")
OWNERS = (None, Owner("apps/v1", "Deployment", "web"), Owner("apps/v1", "StatefulSet", "db"), Owner("v1", "Thing", "bare"))
LABELS = {"app": ("web", "db"), "tier": ("gpu", "cpu")}

#: Labels of pods, and equality selectors as plain mappings: easy to match by hand, and easy to spell.
label_sets = st.sampled_from(
    [
        {key: value for key, value in (("app", app), ("tier", tier)) if value}
        for app in ("", *LABELS["app"])
        for tier in ("", *LABELS["tier"])
    ]
)

finite = st.integers(-(10**9), 10**9).map(lambda thousandths: thousandths / 1000)
#: Any number that a source may send, the ones that are none among them.
any_value = st.one_of(finite, st.sampled_from([float("nan"), float("inf"), float("-inf"), 9.3e15, -9.3e15]))
#: Up to ten minutes, in eighths of a second.
ages = st.integers(0, 4800).map(lambda eighths: eighths / 8)
#: One number for each sample that is drawn costs a fraction of what five would; a sample is made of its digits.
_sample_seeds = st.integers(0, 2**40)


def _sample(seed: int) -> Sample:
    seed, eighths = divmod(seed, 4801)
    seed, window = divmod(seed, 2)
    seed, series = divmod(seed, 4)
    seed, shared = divmod(seed, 2)
    return Sample((seed % 2_000_001 - 1_000_000) / 1000, NOW - eighths / 8, 60.0 if window else None, series + 1, bool(shared))


def samples() -> st.SearchStrategy[Sample]:
    """Draw a sample of any age."""
    return _sample_seeds.map(_sample)


def rows(values: st.SearchStrategy[float] = any_value) -> st.SearchStrategy[Row]:
    """Draw a row that names one of the pods."""
    labels = st.fixed_dictionaries({"namespace": st.sampled_from(NAMESPACES), "pod": st.sampled_from(POD_NAMES)})
    return st.builds(Row, labels, values, ages.map(lambda age: NOW - age))


_POD_SHAPES = [
    (namespace, name, ready, owner) for namespace in NAMESPACES for name in POD_NAMES for ready in (True, False) for owner in OWNERS
]


def _pod(shape: tuple[str, str, bool, Owner | None], labels: Mapping[str, str]) -> Pod:
    namespace, name, ready, owner = shape
    return Pod(namespace, name, f"uid-{namespace}-{name}", labels, ready=ready, owner=owner)


def pods() -> st.SearchStrategy[Pod]:
    """Draw a live pod."""
    return st.builds(_pod, st.sampled_from(_POD_SHAPES), label_sets)


def missing() -> st.SearchStrategy[Missing]:
    """Draw a reason with everything that may stand beside it, however long."""
    return st.builds(
        Missing,
        st.sampled_from(Reason),
        st.text(max_size=300),
        st.none() | st.floats(0.0, 2 * NOW),
        st.text(max_size=250),
        st.text(max_size=80),
    )


@dataclass(frozen=True)
class State:
    """A snapshot with the inventory beside it, and the results that it was made of, in their order."""

    results: tuple[RuleResult, ...]
    pods: tuple[Pod, ...]

    @property
    def snapshot(self) -> Snapshot:
        """Return the results as readers see them."""
        return Snapshot().updated(self.results)

    @property
    def inventory(self) -> Inventory:
        """Return the pods as readers see them."""
        inventory = Inventory()
        inventory.synced = True
        for pod in self.pods:
            inventory.put(pod)
        return inventory


def rule(name: str = "rule", metric: str = "queue", **more: object) -> model.Rule:
    """Return a rule about pods, with *more* of its fields."""
    told: dict[str, object] = {"reducer": model.Reducer(model.Fold.SUM), **more}
    of = told.pop("of", (model.Term((model.Candidate(model.Selection(f"{metric}_series")),)),))
    source = told.pop("source", "source")
    return model.Rule(name=name, metric=metric, source=source, of=of, **told)  # type: ignore[arg-type]


def result(of: model.Rule, values: Mapping[ObjectRef, Sample], **more: object) -> RuleResult:
    """Return a result of the rule *of* that succeeded just now."""
    told: dict[str, object] = {"at": NOW, **more}
    return RuleResult(rule=of, values={ref: Value.of(sample) for ref, sample in values.items()}, **told)  # type: ignore[arg-type]


_refs = st.sampled_from([ObjectRef("pods", namespace, name) for namespace in NAMESPACES for name in POD_NAMES])


@st.composite
def results(draw: st.DrawFn, name: str, owner_fold: model.Fold | None = None) -> RuleResult:
    """Draw what one rule about pods last gave."""
    of = rule(
        name,
        draw(st.sampled_from(METRICS)),
        max_age_s=draw(st.sampled_from([30.0, 60.0, 300.0])),
        owner_fold=owner_fold,
        absent_as=draw(st.sampled_from([None, None, None, 0.0])),
        min_coverage_ratio=draw(st.sampled_from([0.2, 0.5, 0.8, 1.0])),
    )
    values = draw(st.dictionaries(_refs, samples(), max_size=6))
    lost = draw(
        st.dictionaries(_refs, st.sampled_from([Missing(Reason.BLANK, "x"), Missing(Reason.NOT_A_NUMBER, "y")]), max_size=2)
    )
    fault = draw(st.sampled_from([None, None, Missing(Reason.SOURCE_DOWN, "refused", NOW - 5.0, name, "source")]))
    return result(of, values, missing=lost, fault=fault, at=NOW - draw(ages))


@st.composite
def states(draw: st.DrawFn, owner_fold: model.Fold | None = None) -> State:
    """Draw up to three rules' results and up to eight pods, some of which meet."""
    found = [draw(results(f"rule-{number}", owner_fold)) for number in range(draw(st.integers(1, 3)))]
    live = draw(st.lists(pods(), max_size=8, unique_by=lambda pod: (pod.namespace, pod.name)))
    return State(tuple(found), tuple(live))


def metric_ids() -> st.SearchStrategy[MetricId]:
    """Draw a metric of pods that some rule may serve."""
    return st.builds(MetricId, st.just("pods"), st.sampled_from((*METRICS, "unheard-of")))


def every_pod() -> list[Pod]:
    """Return a live pod for every name that is drawn from."""
    return [_pod((namespace, name, True, OWNERS[1]), {"app": "web"}) for namespace in NAMESPACES for name in POD_NAMES]
