"""The rules are PromQL on series that there are; every alert says what it is, has a page, and is shown firing and not firing."""

import inspect
import re

import promql_parser
import pytest
import yaml

from adapter.api import app
from tests.manifests import reading
from tests.manifests.prometheus import derived, promql, rules
from tests.manifests.prometheus.cases import Shows, every
from tests.manifests.prometheus.rules import Alert

ALERTS = pytest.mark.parametrize("alert", rules.alerts(), ids=lambda alert: alert.name)
EXPRESSIONS = pytest.mark.parametrize("name", sorted(rules.expressions()))
KNOWN = promql.known()
VALUES = yaml.safe_load((reading.CHART / "values.yaml").read_text())["prometheus"]["prometheusRules"]


@EXPRESSIONS
def test_it_is_promql_on_series_that_there_are_by_labels_that_they_have(name: str) -> None:
    tree = promql_parser.parse(rules.expressions()[name])

    asked = promql.selectors(tree)
    assert asked
    for selector in asked:
        assert {matcher.name for matcher in selector.matchers.matchers} <= KNOWN[selector.name], selector.name
    assert promql.grouped(tree) <= promql.made(tree).union(*(KNOWN[selector.name] for selector in asked))


@pytest.mark.parametrize("name", sorted(rules.recorded()))
def test_what_is_recorded_is_named_by_level_metric_and_operation_and_used(name: str) -> None:
    level, metric, operation = name.split(":")

    assert (level in {"model", "pod", "gpu", "scaler"}, bool(metric), bool(operation)) == (True, True, True)
    assert any(name in expr for other, expr in rules.expressions().items() if other != name)


@ALERTS
def test_it_says_how_bad_it_is_and_what_it_is_in_sentences(alert: Alert) -> None:
    assert alert.severity in {"info", "warning", "critical"}
    assert alert.annotations.keys() - {"threshold"} == {"summary", "description", "runbook_url"}
    for words in (alert.annotations["summary"], alert.annotations["description"]):
        assert words.endswith(".")
        assert words[0].isupper() or words.startswith("{{")


@ALERTS
def test_what_it_says_names_labels_that_it_has(alert: Alert) -> None:
    tree = promql_parser.parse(alert.expr)
    has = promql.grouped(tree) | promql.made(tree) | frozenset().union(*(KNOWN[each.name] for each in promql.selectors(tree)))

    named = set(re.findall(r"\$labels\.(\w+)", " ".join(alert.annotations.values())))

    assert named <= has


@ALERTS
def test_its_threshold_stands_once_in_its_expression(alert: Alert) -> None:
    if alert.threshold is None:
        return

    # As the chart finds it: after a comparison, and before a space or the end.
    assert len(re.findall(rf"[<>]=? {re.escape(alert.threshold)}(?=$|\s)", alert.expr)) == 1
    assert promql.numbers(promql_parser.parse(alert.expr)).count(float(alert.threshold)) == 1


@ALERTS
def test_it_has_a_page_of_its_own(alert: Alert) -> None:
    page = rules.RUNBOOKS / f"{alert.name}.md"
    text = page.read_text(encoding="utf-8")

    assert alert.annotations["runbook_url"] == f"{rules.RUNBOOK_URL}/{alert.name}"
    assert text.startswith(f"# {alert.name}\n")
    assert re.findall(r"^## (.+)$", text, flags=re.MULTILINE) == [
        "What it means",
        "What users feel",
        "How to look",
        "Causes and what mends them",
        "When to silence it",
    ]


def test_every_page_is_of_an_alert() -> None:
    assert {page.stem for page in rules.RUNBOOKS.glob("*.md")} == {alert.name for alert in rules.alerts()}


@ALERTS
def test_it_is_shown_firing_and_not_firing(alert: Alert) -> None:
    shown = {case.shows for case in every.by_alert()[alert.name]}

    # What fires at once cannot last too short; it is shown that it ends.
    assert shown == set(Shows)


def test_no_case_is_of_an_alert_that_there_is_not() -> None:
    assert every.by_alert().keys() == {alert.name for alert in rules.alerts()}


def test_a_kind_of_request_that_is_spoken_of_is_one_that_the_adapter_counts() -> None:
    shown = (name for case in every.CASES for name in case.series if name.startswith("leadtime_adapter_requests_total"))
    kinds = {kind for text in (*rules.expressions().values(), *shown) for kind in re.findall(r'\bkind=~?"([\w|]+)"', text)}
    told = inspect.getsource(app)

    assert kinds >= {"custom|external", "custom", "external", "probe", "metrics"}
    assert [kind for each in kinds for kind in each.split("|") if f'"{kind}"' not in told] == []


def test_names_are_ours_and_said_once() -> None:
    names = [alert.name for alert in rules.alerts()]

    assert len(set(names)) == len(names)
    assert all(re.fullmatch(r"Leadtime([A-Z][a-z]+)+", name) for name in names)


# Made of the file


def test_the_components_object_is_made_of_the_rule_file() -> None:
    assert derived.TARGET.read_text(encoding="utf-8") == derived.wrapped(), "run: python -m tests.manifests.prometheus.derived"
    assert yaml.safe_load(derived.wrapped())["spec"] == rules.document()


@ALERTS
def test_the_charts_values_have_what_the_file_has(alert: Alert) -> None:
    told = VALUES["alerts"][alert.name]

    assert told.pop("enabled") is True
    assert str(told.pop("threshold", None)) == str(alert.threshold)
    assert told == {"severity": alert.severity, "for": alert.hold}


def test_the_charts_values_know_no_other_alert_and_the_same_pages() -> None:
    assert list(VALUES["alerts"]) == [alert.name for alert in rules.alerts()]
    assert VALUES["runbookUrl"] == rules.RUNBOOK_URL


# The table of the documentation

_ROW = re.compile(r"^\| \[`(\w+)`\]\(runbooks/(\w+)\.md\) \| ([^|]+) \| ([^|]*) \| (\w+) \| (\w+) \|$", flags=re.MULTILINE)


def test_the_page_has_every_alert_with_its_threshold_its_time_and_its_severity() -> None:
    rows = _ROW.findall((rules.RUNBOOKS.parent / "alerts.md").read_text(encoding="utf-8"))

    assert [(name, page) for name, page, *_ in rows] == [(alert.name, alert.name) for alert in rules.alerts()]
    for (_, _, _, threshold, hold, severity), alert in zip(rows, rules.alerts(), strict=True):
        # A threshold is written with its unit: "0.5 s", "90 %".
        assert re.sub(r" %$", "", threshold).split(" ")[0] in _spelled(alert)
        assert (hold, severity) == (alert.hold, alert.severity)


def _spelled(alert: Alert) -> set[str]:
    if alert.threshold is None:
        return {""}
    return {alert.threshold, f"{float(alert.threshold) * 100:g}"}


def test_the_page_names_every_recording_rule() -> None:
    text = (rules.RUNBOOKS.parent / "alerts.md").read_text(encoding="utf-8")

    assert set(re.findall(r"^\| `([\w:]+)` \|", text, flags=re.MULTILINE)) == set(rules.recorded())
