"""What a preset is made of: recipes, which become rules once a source and a window are chosen.

The engines differ in the names of their series; how a kind of metric is folded is the same for all of them, and stands here.
"""

from dataclasses import dataclass, field

from adapter.rules.model import Candidate, Fold, LabelMatch, MatchOp, Objects, PodObject, Reducer, Selection, Term

#: Labels that two Prometheus replicas add to one and the same series.
HIGH_AVAILABILITY_LABELS = ("prometheus_replica",)

#: Engines are scraped every 15 to 30 seconds, and write at once: a minute allows for one scrape that failed.
ENGINE_MAX_AGE_S = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """A rule without its source: what it serves, from which series, and how they are folded within a pod and over pods."""

    metric: str
    of: tuple[Term, ...]
    over: tuple[Term, ...] = ()
    reducer: Reducer
    owner_fold: Fold | None
    keep: tuple[str, ...] = ()
    objects: Objects = field(default_factory=PodObject)
    max_age_s: float = ENGINE_MAX_AGE_S


def any_of(*candidates: Selection | Candidate) -> Term:
    """Return a term with these spellings of it, the preferred one first."""
    return Term(tuple(one if isinstance(one, Candidate) else Candidate(one) for one in candidates))


def equal(**labels: str) -> tuple[LabelMatch, ...]:
    """Return the conditions that each of these labels has exactly this value."""
    return tuple(LabelMatch(label, MatchOp.EQUAL, value) for label, value in labels.items())


@dataclass(frozen=True, slots=True, kw_only=True)
class Engine:
    """How an inference engine's kinds of metric are folded: the part of a recipe that all of its metrics have in common.

    *apart* are the labels that tell a pod's series from one another, *replicated* those of ranks that each repeat the same
    number, *keep* those that a reader may select on.
    """

    apart: tuple[str, ...] = ()
    replicated: tuple[str, ...] = ()
    keep: tuple[str, ...] = ()

    def count(self, metric: str, *of: Term) -> Recipe:
        """Return a recipe for what adds up, within a pod and over pods: requests, tokens, rates."""
        return self._recipe(metric, of, (), Fold.SUM, Fold.SUM, self.apart)

    def ratio(self, metric: str, of: Term, over: Term | None = None) -> Recipe:
        """Return a recipe for how full something is: the mean, within a pod and over pods."""
        return self._recipe(metric, (of,), (over,) if over is not None else (), Fold.MEAN, Fold.MEAN, self.apart)

    def latency(self, metric: str, of: Term) -> Recipe:
        """Return a recipe for a quantile of a time, over all the requests of a pod.

        A workload's is that of its worst pod: quantiles have no sum, and a mean would hide the slow one.
        """
        return self._recipe(metric, (of,), (), Fold.MAX, Fold.MAX, ())

    def state(self, metric: str, of: Term, *labels: str) -> Recipe:
        """Return a recipe for what is 0 or 1 by the values of *labels*, to be selected on; pods have no common state."""
        return self._recipe(metric, (of,), (), Fold.MAX, None, (*labels, *self.apart), labels)

    def _recipe(
        self,
        metric: str,
        of: tuple[Term, ...],
        over: tuple[Term, ...],
        within: Fold,
        owner_fold: Fold | None,
        apart: tuple[str, ...],
        keep: tuple[str, ...] = (),
    ) -> Recipe:
        return Recipe(
            metric=metric,
            of=of,
            over=over,
            reducer=Reducer(within, (*self.replicated, *HIGH_AVAILABILITY_LABELS), apart),
            owner_fold=owner_fold,
            keep=(*keep, *self.keep),
        )
