"""`docs/metrics.md` names every metric of the controller, with its type and its labels, and no other."""

import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from prometheus_client.core import Metric
from prometheus_client.parser import text_string_to_metric_families

from adapter.kube.client import Answered
from adapter.kube.watch import Health
from autoscaler.cost.account import Account
from autoscaler.report import conditions
from autoscaler.report.telemetry import Telemetry
from tests.autoscaler.report import histories
from tests.autoscaler.report.objects import CENSUS, HELD, OFFERED, OUTLOOK, POOL, PRICES, START, STARTUP

PAGE = Path("docs/metrics.md").read_text(encoding="utf-8")
SCALER_LABELS = {"namespace", "scaler", "target"}


def documented() -> dict[str, tuple[str, set[str]]]:
    """Return each metric's type and the labels in its row."""
    found = re.findall(r"^\| `(leadtime_\w+)` \| (\w+) \|([^|]*)\|", PAGE, flags=re.MULTILINE)
    return {name: (kind, set(re.findall(r"`(\w+)`", labels))) for name, kind, labels in found}


def exposed() -> Iterator[Metric]:
    """Yield the families of a page on which everything has happened once; when a counter began is the library's own affair."""
    telemetry = Telemetry(prices=PRICES)
    telemetry.leading(leads=True)
    held = histories.held_by_the_cool_down()
    for decision in (replace(held.decision, replicas=held.decision.replicas + 1, act=True), held.decision):
        telemetry.decided(HELD, held.observation, decision, STARTUP, offered=OFFERED, outlook=OUTLOOK, pool=POOL)
    telemetry.used(HELD, CENSUS, Account(), now=histories.START)
    telemetry.started(HELD, START)
    answers = conditions.decided(held.policy, held.observation, held.decision, held.after)
    telemetry.answered(HELD.key, HELD, answers)
    telemetry.scaled("ok")
    telemetry.asked(Answered("GET", "/api/v1/pods", watch=False, status=200, took_s=0.01))
    health = Health()
    health.last_event_at = histories.START
    telemetry.watching("pods", health)
    families = text_string_to_metric_families(telemetry.render().decode())
    yield from (family for family in families if not family.name.endswith("_created"))


def name_of(family: Metric) -> str:
    return f"{family.name}_total" if family.type == "counter" else family.name


async def test_the_page_names_the_metrics_that_there_are_with_their_types() -> None:
    assert {name: kind for name, (kind, _) in documented().items()} == {name_of(family): family.type for family in exposed()}


async def test_the_page_names_their_labels() -> None:
    for family in exposed():
        labels = {label for sample in family.samples for label in sample.labels} - SCALER_LABELS - {"le"}
        assert labels == documented()[name_of(family)][1], family.name
