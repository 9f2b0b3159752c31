"""What a rule asks for, and what it serves."""

import pytest

from adapter.metric import MetricId
from adapter.rules.model import (
    DEVICE_LABELS,
    EXTERNAL_RESOURCE,
    NAMESPACE_RESOURCE,
    Candidate,
    ExternalObject,
    Fold,
    LabelMatch,
    MatchOp,
    NamedObject,
    NamespaceObject,
    Objects,
    PodObject,
    Reducer,
    Rule,
    Selection,
    Term,
)

A, B = Selection("a"), Selection("b", (LabelMatch("x", MatchOp.NOT_EQUAL, ""),))
NODE = NamedObject("nodes", "Node", "v1", "node", None)


def rule(*, objects: Objects | None = None, reducer: Reducer | None = None, keep: tuple[str, ...] = ()) -> Rule:
    term = Term((Candidate(A), Candidate(B)))
    objects, reducer = objects or PodObject(), reducer or Reducer()
    return Rule(name="r", metric="m", source="s", of=(term,), over=(term,), objects=objects, reducer=reducer, keep=keep)


@pytest.mark.parametrize(
    ("op", "value", "label", "holds"),
    [
        (MatchOp.EQUAL, "a", "a", True),
        (MatchOp.EQUAL, "", "", True),
        (MatchOp.NOT_EQUAL, "a", "b", True),
        (MatchOp.REGEX, "a|bc", "bc", True),
        (MatchOp.REGEX, "b", "abc", False),  # anchored
        (MatchOp.REGEX, "a.c", "a\nc", True),
        (MatchOp.NOT_REGEX, "a.*", "abc", False),
        (MatchOp.NOT_REGEX, ".+", "", True),
    ],
)
def test_labels_are_matched_as_prometheus_does(op: MatchOp, value: str, label: str, holds: bool) -> None:
    assert LabelMatch("l", op, value).holds(label) is holds


def test_a_selection_is_a_series_or_an_expression() -> None:
    assert str(B) == 'b{x!=""}'
    assert str(Selection(promql="up")) == "up"
    for told in ({}, {"name": "a", "promql": "up"}):
        with pytest.raises(ValueError, match="one of the two"):
            Selection(**told)


def test_a_selection_that_stands_in_several_terms_is_asked_for_once() -> None:
    assert rule().selections() == (A, B)


@pytest.mark.parametrize(
    ("objects", "labels"),
    [
        (PodObject(pairs=(("ns", "p"),)), {"ns", "p"}),
        (PodObject(pairs=(("ns", "p"),), device=True), {"ns", "p", *DEVICE_LABELS}),
        (NODE, {"node"}),
        (NamespaceObject("team"), {"team"}),
        (ExternalObject(), {"namespace"}),
        (ExternalObject(None), set()),
    ],
)
def test_the_labels_that_a_rule_looks_at_are_asked_for(objects: Objects, labels: set[str]) -> None:
    reducer = Reducer(Fold.SUM, replicated=("rank",), apart=("engine",))

    assert rule(objects=objects, reducer=reducer, keep=("model",)).label_names() == labels | {"rank", "engine", "model"}


def test_every_label_matters_until_a_rule_says_what_tells_its_series_apart() -> None:
    # A server that put engines together by their maximum would make a sum of them wrong.
    assert rule(reducer=Reducer(Fold.SUM)).keeps_all_labels()
    assert not rule(reducer=Reducer(Fold.SUM, apart=("engine",))).keeps_all_labels()
    assert rule(reducer=Reducer(Fold.SUM, apart=()), objects=ExternalObject()).keeps_all_labels()


@pytest.mark.parametrize(
    ("objects", "resource"),
    [
        (PodObject(), "pods"),
        (NODE, "nodes"),
        (NamespaceObject(), NAMESPACE_RESOURCE),
        (ExternalObject(), EXTERNAL_RESOURCE),
    ],
)
def test_a_rule_serves_its_metric_for_its_kind_of_object(objects: Objects, resource: str) -> None:
    assert rule(objects=objects).metric_id() == MetricId(resource, "m")
