"""The controller's own metrics, as a Prometheus reads them."""

from dataclasses import replace

from prometheus_client.parser import text_string_to_metric_families

from adapter.kube.watch import Health
from autoscaler.decision import pipeline
from autoscaler.outlook import Outlook
from autoscaler.report.telemetry import Telemetry
from autoscaler.resource.scaler import Key
from tests.autoscaler.report import histories
from tests.autoscaler.report.objects import OFFERED, OUTLOOK, SCALER, STARTUP

QWEN = {"namespace": "llm-inference", "scaler": "qwen", "target": "Deployment/vllm-qwen"}


def read(telemetry: Telemetry) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    families = text_string_to_metric_families(telemetry.render().decode())
    return {(sample.name, tuple(sorted(sample.labels.items()))): sample.value for family in families for sample in family.samples}


def series(telemetry: Telemetry, name: str, **labels: str) -> float | None:
    return read(telemetry).get((name, tuple(sorted(labels.items()))))


def decided(telemetry: Telemetry, scaler: str = "qwen") -> None:
    held = histories.held_by_the_cool_down()
    telemetry.decided(replace(SCALER, key=Key("llm-inference", scaler)), held.observation, held.decision, STARTUP)


def test_a_scaler_shows_its_numbers_its_signals_and_its_start_up() -> None:
    telemetry = Telemetry(clock=lambda: histories.START + 7.0)

    decided(telemetry)

    assert {name: series(telemetry, f"leadtime_{name}", **QWEN) for name in (
        "desired_replicas", "current_replicas", "serving_replicas", "warm_replicas", "ready_replicas", "starting_replicas",
        "decision_age_seconds",
    )} == {
        "desired_replicas": 4.0,
        "current_replicas": 4.0,
        "serving_replicas": 4.0,
        "warm_replicas": 0.0,
        "ready_replicas": 4.0,
        "starting_replicas": 0.0,
        "decision_age_seconds": 7.0,
    }  # fmt: skip
    queue = {**QWEN, "signal": "inference_queue_size"}
    assert series(telemetry, "leadtime_signal_value", **queue) == 6.0
    assert series(telemetry, "leadtime_signal_target", **queue) == 10.0
    assert series(telemetry, "leadtime_signal_demand", **queue) == 2.4
    assert series(telemetry, "leadtime_metric_age_seconds", **queue) == 4.0
    assert [series(telemetry, "leadtime_startup_seconds", **QWEN, quantile=q) for q in ("0.5", "0.9", "0.99")] == [
        45.04,
        60.0,
        80.0,
    ]


def test_a_scaler_shows_its_load_what_is_expected_of_it_and_what_that_has_been_worth() -> None:
    telemetry = Telemetry()
    held = histories.held_by_the_cool_down()

    telemetry.decided(SCALER, held.observation, held.decision, STARTUP, offered=OFFERED, outlook=OUTLOOK)

    names = ("offered_replicas", *(f"forecast_{name}" for name in (
        "horizon_seconds", "realised_replicas", "loss_ratio", "coverage_ratio", "evaluations", "gate_open",
    )))  # fmt: skip
    assert [series(telemetry, f"leadtime_{name}", **QWEN) for name in names] == [2.4, 120.0, 3.0, 0.8125, 0.9046, 1500.0, 1.0]
    assert [series(telemetry, "leadtime_forecast_replicas", **QWEN, quantile=q) for q in ("0.5", "0.9")] == [4.5, 6.0]


def test_a_load_that_is_not_known_has_no_series_and_one_that_is_still_learned_a_shut_gate() -> None:
    telemetry = Telemetry()
    held = histories.held_by_the_cool_down()

    telemetry.decided(SCALER, held.observation, held.decision, STARTUP, outlook=Outlook())

    assert series(telemetry, "leadtime_offered_replicas", **QWEN) is None
    assert series(telemetry, "leadtime_forecast_loss_ratio", **QWEN) is None
    assert series(telemetry, "leadtime_forecast_gate_open", **QWEN) == 0.0


def test_a_signal_without_a_value_has_no_series_but_its_target() -> None:
    telemetry = Telemetry()
    held = histories.held_by_the_cool_down()
    lost = replace(held.observation, readings=(replace(held.observation.readings[0], total_milli=None, at=None),))
    decision, _ = pipeline.decide(held.policy, lost, held.before)

    telemetry.decided(SCALER, lost, decision, STARTUP)

    signals = [name for name, labels in read(telemetry) if ("signal", "inference_queue_size") in labels]
    assert signals == ["leadtime_signal_target"]


def test_limits_and_outcomes_are_counted() -> None:
    telemetry = Telemetry()

    decided(telemetry)
    decided(telemetry)

    assert series(telemetry, "leadtime_limit_applied_total", rule="Cooldown") == 2.0
    assert series(telemetry, "leadtime_decisions_total", outcome="hold") == 2.0


def test_each_outcome_has_its_word() -> None:
    telemetry = Telemetry()
    held = histories.held_by_the_cool_down()
    for changes in ({"replicas": 5, "act": True}, {"replicas": 3, "act": True}, {"replicas": 3, "act": False}, {"act": False}):
        telemetry.decided(SCALER, held.observation, replace(held.decision, **changes), STARTUP)  # type: ignore[arg-type]

    for outcome in ("up", "down", "not_acted", "hold"):
        assert series(telemetry, "leadtime_decisions_total", outcome=outcome) == 1.0


def test_a_scaler_that_is_gone_leaves_no_series_and_nor_does_a_lost_lease() -> None:
    telemetry = Telemetry()
    telemetry.leading(leads=True)
    decided(telemetry, "kept")
    decided(telemetry, "gone")

    telemetry.forget(Key("llm-inference", "gone"))
    telemetry.forget(Key("llm-inference", "never-there"))
    after = {labels for _, labels in read(telemetry)}
    telemetry.leading(leads=False)

    assert not [labels for labels in after if ("scaler", "gone") in labels]
    assert [labels for labels in after if ("scaler", "kept") in labels]
    assert not [labels for _, labels in read(telemetry) if ("scaler", "kept") in labels]
    assert series(telemetry, "leadtime_leader") == 0.0


def test_the_loop_counts_its_ticks_and_those_that_were_late() -> None:
    telemetry = Telemetry()

    for late_s in (0.0, 0.9, 1.1):
        telemetry.ticked(late_s=late_s)
    telemetry.took(0.0003)
    telemetry.scaled("ok")
    telemetry.scaled("conflict")
    telemetry.promoted(2)

    assert series(telemetry, "leadtime_ticks_total") == 3.0
    assert series(telemetry, "leadtime_ticks_late_total") == 1.0
    assert series(telemetry, "leadtime_tick_duration_seconds_bucket", le="0.0005") == 1.0
    assert series(telemetry, "leadtime_tick_duration_seconds_bucket", le="0.0002") == 0.0
    assert series(telemetry, "leadtime_scale_requests_total", result="conflict") == 1.0
    assert series(telemetry, "leadtime_promotions_total") == 2.0


async def test_a_watch_shows_how_it_is() -> None:
    telemetry = Telemetry()
    health = Health()
    telemetry.watching("pods", health)
    silent = series(telemetry, "leadtime_watch_last_event_timestamp_seconds", resource="pods")

    health.failures, health.lists, health.last_event_at = 2, 3, 1234.0

    assert silent is None
    assert series(telemetry, "leadtime_watch_failures", resource="pods") == 2.0
    assert series(telemetry, "leadtime_watch_lists_total", resource="pods") == 3.0
    assert series(telemetry, "leadtime_watch_last_event_timestamp_seconds", resource="pods") == 1234.0


def test_what_is_decided_while_somebody_scrapes_does_no_harm() -> None:
    telemetry = Telemetry(clock=lambda: decided(telemetry, "new") or 0.0)  # decides in the middle of a scrape
    decided(telemetry)

    assert series(telemetry, "leadtime_desired_replicas", **QWEN) == 4.0
