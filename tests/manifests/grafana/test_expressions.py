"""Every expression of the dashboards is PromQL, on series that there are, by labels that they have."""

import re
from collections.abc import Iterator
from typing import Any

import promql_parser
import pytest

from tests.manifests.grafana import boards, catalogue
from tests.manifests.grafana.boards import Expression

KNOWN = catalogue.labels()
EVERY = boards.every()
#: A value for each variable that stands outside of quotation marks.
VALUES = {"slo": "0.5"}
_INNER = ("expr", "lhs", "rhs", "vector_selector", "args", "param")


def parsed(text: str) -> Any:
    return promql_parser.parse(boards.substituted(text, VALUES))


def nodes(node: Any) -> Iterator[Any]:
    yield node
    for name in _INNER:
        inner = getattr(node, name, None)
        for each in inner if isinstance(inner, list) else [inner] if inner is not None else []:
            yield from nodes(each)


def selectors(expression: Any) -> list[Any]:
    return [node for node in nodes(expression) if isinstance(node, promql_parser.VectorSelector)]


def made(expression: Any) -> set[str]:
    """Return the labels that the expression itself makes."""
    calls = (node for node in nodes(expression) if isinstance(node, promql_parser.Call) and node.func.name == "label_replace")
    return {call.args[1].val for call in calls}


def grouped(expression: Any) -> set[str]:
    """Return the labels by which the expression aggregates or joins."""
    found: set[str] = set()
    for node in nodes(expression):
        modifier = getattr(node, "modifier", None)
        if isinstance(node, promql_parser.AggregateExpr) and modifier is not None:
            found |= set(modifier.labels)
        elif isinstance(node, promql_parser.BinaryExpr) and modifier is not None:
            found |= set(modifier.matching.labels if modifier.matching else ()) | set(modifier.group_labels or ())
    return found


@pytest.mark.parametrize("expression", EVERY, ids=str)
def test_it_is_promql(expression: Expression) -> None:
    parsed(expression.text)


@pytest.mark.parametrize("expression", EVERY, ids=str)
def test_every_series_of_it_is_known_and_has_the_labels_that_it_is_chosen_by(expression: Expression) -> None:
    for selector in selectors(parsed(expression.text)):
        assert selector.name in KNOWN
        assert {matcher.name for matcher in selector.matchers.matchers} <= KNOWN[selector.name], selector.name


@pytest.mark.parametrize("expression", EVERY, ids=str)
def test_what_it_is_grouped_and_named_by_are_labels_that_are_there(expression: Expression) -> None:
    tree = parsed(expression.text)
    there = set().union(*(KNOWN[selector.name] for selector in selectors(tree))) | made(tree)

    assert grouped(tree) <= there
    assert set(re.findall(r"{{(\w+)}}", expression.name)) <= there


@pytest.mark.parametrize("expression", EVERY, ids=str)
def test_series_of_a_scaler_are_chosen_by_job_and_namespace_and_those_of_a_daemon_by_job(expression: Expression) -> None:
    for selector in selectors(parsed(expression.text)):
        chosen = {matcher.name for matcher in selector.matchers.matchers}
        if selector.name.startswith(("leadtime_", "process_", "metrics_apiserver_")):
            assert "job" in chosen, selector.name
        if "scaler" in KNOWN[selector.name] and expression.board != "leadtime-operator.json":
            assert "namespace" in chosen, selector.name


@pytest.mark.parametrize("expression", EVERY, ids=str)
def test_what_counts_up_is_read_over_an_interval_that_holds_enough_scrapes(expression: Expression) -> None:
    bare = re.sub(r'"[^"]*"', "", expression.text)
    for window in re.findall(r"(?:rate|increase)\([^\[]*\[([^\]]+)\]", bare):
        # The others are windows of their own: the whole range, an hour, a day.
        assert window in {"$__rate_interval", "$__range", "1h", "1d"}
    assert "irate(" not in expression.text
    counters = [each for each in selectors(parsed(expression.text)) if each.name.endswith(("_total", "_bucket", "_count", "_sum"))]
    assert not counters or re.search(r"(rate|increase)\(", expression.text)


@pytest.mark.parametrize("file", boards.BOARDS)
def test_every_variable_is_asked_of_a_series_that_there_is(file: str) -> None:
    for variable in boards.variables(file).values():
        if variable["type"] == "query":
            text, label = boards.asked(variable)
            (selector,) = selectors(parsed(text))
            assert {label, *(matcher.name for matcher in selector.matchers.matchers)} <= KNOWN[selector.name]


@pytest.mark.parametrize("file", boards.BOARDS)
def test_every_variable_that_is_used_is_there_and_none_is_there_for_nothing(file: str) -> None:
    names = set(boards.variables(file))
    texts = [each.text for each in EVERY if each.board == file]
    texts += [boards.asked(variable)[0] for variable in boards.variables(file).values() if variable["type"] == "query"]
    used = {name for text in texts for name in re.findall(r"\$([a-z_]\w*)", text)} - {name[1:] for name in boards.MACROS}

    assert used == names - {"datasource"}
