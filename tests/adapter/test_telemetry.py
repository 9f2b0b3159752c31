"""The adapter's own metrics, as a Prometheus reads them."""

import pytest
from prometheus_client.parser import text_string_to_metric_families

from adapter.errors import Fault, SourceError
from adapter.metric import Missing, ObjectRef, Reason, Sample
from adapter.rules.model import Selection
from adapter.sources import Batch
from adapter.telemetry import Telemetry
from tests.strategies import NOW, result, rule

REFUSED = SourceError("prometheus", Fault.DOWN, "refused")


def pod(name: str) -> ObjectRef:
    return ObjectRef("pods", "team-a", name)


def batch(*answers: object, source: str = "prometheus", down: int = 0) -> Batch:
    rows = {Selection(f"series_{number}"): answer for number, answer in enumerate(answers)}
    return Batch(source=source, at=NOW, took_s=0.3, rows=rows, down={f"target-{n}": REFUSED for n in range(down)})  # type: ignore[arg-type]


def read(telemetry: Telemetry) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    families = text_string_to_metric_families(telemetry.render().decode())
    return {(sample.name, tuple(sorted(sample.labels.items()))): sample.value for family in families for sample in family.samples}


def series(telemetry: Telemetry, name: str, **labels: str) -> float | None:
    return read(telemetry).get((name, tuple(sorted(labels.items()))))


@pytest.mark.parametrize(
    ("answers", "outcome"),
    [(([], []), "ok"), (([], REFUSED), "partial"), ((REFUSED, REFUSED), "failed"), ((), "ok")],
)
def test_a_collection_is_counted_by_how_much_of_it_was_answered(answers: tuple[object, ...], outcome: str) -> None:
    telemetry = Telemetry()

    telemetry.collected(batch(*answers), [])

    assert series(telemetry, "leadtime_adapter_collections_total", source="prometheus", outcome=outcome) == 1.0
    assert series(telemetry, "leadtime_adapter_source_queries_total", source="prometheus") == len(answers)
    assert series(telemetry, "leadtime_adapter_collection_duration_seconds_sum", source="prometheus") == 0.3


def test_a_rule_shows_whether_it_works_since_when_and_what_it_lacks() -> None:
    telemetry = Telemetry()
    lost = {pod("p1"): Missing(Reason.NOT_A_NUMBER), pod("p2"): Missing(Reason.NOT_A_NUMBER), pod("p3"): Missing(Reason.BLANK)}
    works = result(rule("works"), {pod("p0"): Sample(1.0, NOW)}, missing=lost)
    fails = result(rule("fails"), {}, at=None, fault=Missing(Reason.SOURCE_DOWN))

    telemetry.collected(batch([]), [works, fails])

    labels = {"source": "source", "metric": "queue"}
    assert series(telemetry, "leadtime_adapter_rule_up", rule="works", **labels) == 1.0
    assert series(telemetry, "leadtime_adapter_rule_up", rule="fails", **labels) == 0.0
    assert series(telemetry, "leadtime_adapter_rule_last_success_timestamp_seconds", rule="works", **labels) == NOW
    assert series(telemetry, "leadtime_adapter_rule_last_success_timestamp_seconds", rule="fails", **labels) is None
    assert series(telemetry, "leadtime_adapter_rule_objects", rule="works", **labels) == 1.0
    assert series(telemetry, "leadtime_adapter_rule_missing", rule="works", reason="not a number", **labels) == 2.0
    assert series(telemetry, "leadtime_adapter_rule_missing", rule="works", reason="DCGM blank value", **labels) == 1.0


def test_what_a_reload_removes_leaves_no_series_behind() -> None:
    telemetry = Telemetry()
    telemetry.collected(batch([], source="kept", down=1), [result(rule("kept", source="kept"), {})])
    telemetry.collected(batch([], source="gone", down=3), [result(rule("gone", source="gone"), {})])

    telemetry.keep_rules(frozenset({"kept"}))

    assert series(telemetry, "leadtime_adapter_scrape_targets_down", source="kept") == 1.0
    assert series(telemetry, "leadtime_adapter_scrape_targets_down", source="gone") is None
    assert not [key for key in read(telemetry) if key[0].startswith("leadtime_adapter_rule") and ("rule", "gone") in key[1]]


def test_a_source_that_never_answered_can_be_removed() -> None:
    telemetry = Telemetry()
    telemetry.broken("gone", [result(rule("gone", source="gone"), {}, fault=Missing(Reason.RULE_BROKEN))])

    telemetry.keep_rules(frozenset())

    assert series(telemetry, "leadtime_adapter_collections_total", source="gone", outcome="broken") == 1.0


def test_two_instances_share_nothing() -> None:
    one, two = Telemetry(), Telemetry()

    one.requests.labels("custom", "200").inc()

    assert series(two, "leadtime_adapter_requests_total", kind="custom", code="200") is None
