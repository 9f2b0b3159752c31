"""The shipped rules, evaluated while everything happened: what they record is there, and what was to fire was seen."""

import pytest

from tests.integration.dashboards.everything import Recorded
from tests.manifests.prometheus import rules
from tests.manifests.prometheus.rules import Alert

ALERTS = {alert.name: alert for alert in rules.alerts()}
#: What a run of two minutes shows.
SEEN = frozenset({
    "LeadtimeNotReady",
    "LeadtimeSignalStale",
    "LeadtimeConflictingWriter",
    "LeadtimeCapacityBlocked",
    "LeadtimeScaleUpNotProgressing",
})  # fmt: skip
#: What it cannot show, and why; its cases for promtool do.
NOT_IN_TWO_MINUTES = {
    "LeadtimeGpuWasted": "looks back an hour",
    "LeadtimeFlapping": "looks for four changes of direction",
    "LeadtimeForecastDegraded": "200 forecasts take 200 minutes",
    "LeadtimeModelLoadSlow": "models load in seconds here",
    "LeadtimeGpuMemoryHigh": "the only engine here takes its memory in advance",
    "LeadtimeInferenceErrors": "no engine fails here",
    "LeadtimeNoLeader": "the controller leads throughout",
    "LeadtimeAdapterDown": "the adapter runs throughout",
    "LeadtimeApiServiceDown": "the same",
    "LeadtimeSourceDown": "its sources answer throughout",
    "LeadtimeRuleFailing": "the same",
    "LeadtimeAtMaxWithBacklog": "a budget, or a node that there is not, binds before the maximum",
    "LeadtimeConfigRejected": "nobody changes its configuration",
    "LeadtimeCertificateExpiring": "its certificate is new",
    "LeadtimeDecisionsOld": "the controller decides throughout",
    "LeadtimeWatchBroken": "the API server answers throughout",
}
#: What comes and goes with the load and the starts of a run, for too short to be told.
MAY_BE_SEEN = frozenset({
    "LeadtimeInferenceLatencyHigh",
    "LeadtimeInferenceQueueLong",
    "LeadtimeKvCacheFull",
    "LeadtimeGpuOverloaded",
    "LeadtimeCoverageLow",
    "LeadtimeWarmPoolEmpty",
    "LeadtimeZeroWithBacklog",
    "LeadtimeTicksLate",
    "LeadtimeScrapeTargetsDown",
})  # fmt: skip


def test_of_every_alert_it_is_said_what_a_run_shows() -> None:
    assert sorted([*SEEN, *NOT_IN_TWO_MINUTES, *MAY_BE_SEEN]) == sorted(ALERTS)


@pytest.mark.parametrize("name", sorted(rules.recorded()))
async def test_what_it_records_is_there(recorded: Recorded, name: str) -> None:
    assert recorded.over(name), f"{name} is empty throughout"


async def test_no_rule_fails_to_evaluate(recorded: Recorded) -> None:
    evaluated = {rule["name"]: rule for group in recorded.ask("rules")["groups"] for rule in group["rules"]}

    assert evaluated.keys() == rules.expressions().keys()
    assert {name: rule["lastError"] for name, rule in evaluated.items() if rule.get("lastError")} == {}
    assert {rule["health"] for rule in evaluated.values()} == {"ok"}


@pytest.mark.parametrize("name", sorted(SEEN))
async def test_what_happened_was_seen(recorded: Recorded, name: str) -> None:
    # ALERTS has what waits for its `for`, too.
    assert recorded.over(f'ALERTS{{alertname="{name}"}}')


@pytest.mark.parametrize("name", sorted(NOT_IN_TWO_MINUTES))
async def test_what_did_not_happen_was_not_seen(recorded: Recorded, name: str) -> None:
    assert recorded.over(f'ALERTS{{alertname="{name}"}}') == []


@pytest.mark.parametrize("alert", ALERTS.values(), ids=ALERTS)
async def test_its_expression_is_one_that_prometheus_evaluates_at_any_time(recorded: Recorded, alert: Alert) -> None:
    assert isinstance(recorded.over(alert.expr, step_s=5.0), list)
