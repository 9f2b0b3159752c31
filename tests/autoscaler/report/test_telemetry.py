"""The controller's own metrics, as a Prometheus reads them."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client.parser import text_string_to_metric_families

from adapter.kube.client import Answered
from adapter.kube.watch import Health
from autoscaler.cost.account import Account
from autoscaler.cost.census import Census, Holding, State
from autoscaler.cost.hardware import Hardware
from autoscaler.cost.prices import Prices
from autoscaler.decision import pipeline
from autoscaler.decision.model import Reading, Rule, ScheduleState, Trust, Vote, WarmPool
from autoscaler.decision.startup import Start
from autoscaler.errors import Problem
from autoscaler.outlook import Outlook
from autoscaler.report import apirequests, conditions
from autoscaler.report.conditions import Condition
from autoscaler.report.telemetry import Telemetry
from autoscaler.resource.scaler import Key, Mechanism, TargetRef
from autoscaler.seen import Pool
from tests.autoscaler.report import histories
from tests.autoscaler.report.objects import CENSUS, GPU, HELD, OFFERED, OUTLOOK, PRICES, START, STARTUP

QWEN = {"namespace": "llm-inference", "scaler": "qwen", "target": "Deployment/vllm-qwen"}


def read(telemetry: Telemetry) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    families = text_string_to_metric_families(telemetry.render().decode())
    return {(sample.name, tuple(sorted(sample.labels.items()))): sample.value for family in families for sample in family.samples}


def series(telemetry: Telemetry, name: str, **labels: str) -> float | None:
    return read(telemetry).get((name, tuple(sorted(labels.items()))))


def decided(telemetry: Telemetry, scaler: str = "qwen") -> None:
    held = histories.held_by_the_cool_down()
    telemetry.decided(replace(HELD, key=Key("llm-inference", scaler)), held.observation, held.decision, STARTUP)


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

    telemetry.decided(HELD, held.observation, held.decision, STARTUP, offered=OFFERED, outlook=OUTLOOK)

    names = ("offered_replicas", *(f"forecast_{name}" for name in (
        "horizon_seconds", "realised_replicas", "loss_ratio", "coverage_ratio", "evaluations", "gate_open",
    )))  # fmt: skip
    assert [series(telemetry, f"leadtime_{name}", **QWEN) for name in names] == [2.4, 120.0, 3.0, 0.8125, 0.9046, 1500.0, 1.0]
    assert [series(telemetry, "leadtime_forecast_replicas", **QWEN, quantile=q) for q in ("0.5", "0.9")] == [4.5, 6.0]


def test_a_load_that_is_not_known_has_no_series_and_one_that_is_still_learned_a_shut_gate() -> None:
    telemetry = Telemetry()
    held = histories.held_by_the_cool_down()

    telemetry.decided(HELD, held.observation, held.decision, STARTUP, outlook=Outlook())

    assert series(telemetry, "leadtime_offered_replicas", **QWEN) is None
    assert series(telemetry, "leadtime_forecast_loss_ratio", **QWEN) is None
    assert series(telemetry, "leadtime_forecast_gate_open", **QWEN) == 0.0


def test_a_signal_without_a_value_shows_its_target_and_that_it_is_missed() -> None:
    telemetry = Telemetry()
    held = histories.held_by_the_cool_down()
    lost = replace(held.observation, readings=(replace(held.observation.readings[0], total_milli=None, at=None),))
    decision, _ = pipeline.decide(held.policy, lost, held.before)

    telemetry.decided(HELD, lost, decision, STARTUP)

    signals = {name: value for (name, labels), value in read(telemetry).items() if ("signal", "inference_queue_size") in labels}
    # Four pods are there, and none of them reports.
    assert signals == {
        "leadtime_signal_target": 10.0,
        "leadtime_signal_fresh": 0.0,
        "leadtime_signal_coverage_ratio": 1.0,
    }


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
        telemetry.decided(HELD, held.observation, replace(held.decision, **changes), STARTUP)  # type: ignore[arg-type]

    for outcome in ("up", "down", "not_acted", "hold"):
        assert series(telemetry, "leadtime_decisions_total", outcome=outcome) == 1.0


def test_the_last_change_in_each_direction_has_its_time_and_its_rule() -> None:
    telemetry = Telemetry()
    held = histories.held_by_the_cool_down()
    name = "leadtime_last_change_timestamp_seconds"

    def change(at: float, replicas: int, reason: Rule, *, act: bool = True) -> None:
        decision = replace(held.decision, at=at, replicas=replicas, act=act, reason=reason)
        telemetry.decided(HELD, held.observation, decision, STARTUP)

    change(100.0, 5, Rule.DEMAND)
    change(200.0, 3, Rule.DOWN_RATE)
    change(300.0, 4, Rule.COOLDOWN)  # four are there
    change(400.0, 6, Rule.FORECAST, act=False)
    change(500.0, 6, Rule.FORECAST)

    found = {labels: at for (of, labels), at in read(telemetry).items() if of == name}
    assert {(dict(labels)["direction"], dict(labels)["reason"]): at for labels, at in found.items()} == {
        ("up", "Forecast"): 500.0,
        ("down", "DownRate"): 200.0,
    }
    telemetry.forget(HELD.key)
    assert name not in {of for of, _ in read(telemetry)}


def test_promotions_are_counted_from_zero_where_there_is_a_warm_pool() -> None:
    telemetry = Telemetry()
    held = histories.held_by_the_cool_down()
    pooled = replace(HELD, policy=replace(held.policy, warm_pool=WarmPool(max=2)))

    telemetry.decided(HELD, held.observation, held.decision, STARTUP)
    without = series(telemetry, "leadtime_promotions_total", **QWEN)
    telemetry.decided(pooled, held.observation, held.decision, STARTUP)
    before = series(telemetry, "leadtime_promotions_total", **QWEN)
    telemetry.promoted(HELD.key, 2)
    telemetry.promoted(Key("llm-inference", "gone"), 3)

    assert (without, before) == (None, 0.0)
    assert series(telemetry, "leadtime_promotions_total", **QWEN) == 2.0


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

    assert series(telemetry, "leadtime_ticks_total") == 3.0
    assert series(telemetry, "leadtime_ticks_late_total") == 1.0
    assert series(telemetry, "leadtime_tick_duration_seconds_bucket", le="0.0005") == 1.0
    assert series(telemetry, "leadtime_tick_duration_seconds_bucket", le="0.0002") == 0.0
    assert series(telemetry, "leadtime_scale_requests_total", result="conflict") == 1.0


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


def test_the_bounds_in_force_are_a_schedules_where_those_are_narrower() -> None:
    telemetry = Telemetry()
    held = histories.held_by_the_cool_down()

    def bounds(state: ScheduleState) -> tuple[float | None, float | None]:
        telemetry.decided(HELD, replace(held.observation, schedule=state), held.decision, STARTUP)
        return series(telemetry, "leadtime_min_replicas", **QWEN), series(telemetry, "leadtime_max_replicas", **QWEN)

    # The policy's own are 1 and 8.
    assert bounds(ScheduleState()) == (1.0, 8.0)
    assert bounds(ScheduleState(min_replicas=3, max_replicas=6)) == (3.0, 6.0)
    assert bounds(ScheduleState(min_replicas=0, max_replicas=20)) == (1.0, 8.0)
    assert bounds(ScheduleState(min_replicas=9)) == (8.0, 8.0)


def test_why_a_number_is_what_it_is_has_a_series_and_what_does_not_hold_has_none() -> None:
    telemetry = Telemetry()
    held = histories.held_by_the_cool_down()
    telemetry.decided(HELD, held.observation, held.decision, STARTUP)

    found = read(telemetry)

    told = {(name, dict(labels).get("reason") or dict(labels).get("rule") or dict(labels).get("signal")) for name, labels in found}
    names = {"leadtime_decision_reason", "leadtime_limited", "leadtime_leading_signal"}
    assert {each for each in told if each[0] in names} == {
        ("leadtime_decision_reason", "Cooldown"),
        ("leadtime_limited", "Cooldown"),
        ("leadtime_leading_signal", "inference_queue_size"),
    }


def test_the_leading_signal_is_the_one_that_asks_for_most_of_those_that_are_believed() -> None:
    telemetry = Telemetry()
    held = histories.held_by_the_cool_down()
    queue = held.decision.votes[0]
    latency = replace(queue, signal="latency", trust=Trust.UP_ONLY, proposal=6)
    mistrusted = replace(queue, signal="off", trust=Trust.OFF, proposal=9)
    policy = replace(held.policy, signals=held.policy.signals * 3)
    scaler = replace(HELD, policy=policy)
    observation = replace(held.observation, readings=held.observation.readings * 3)

    def leading(*votes: Vote) -> set[str]:
        telemetry.decided(scaler, observation, replace(held.decision, votes=votes), STARTUP)
        found = read(telemetry)
        return {dict(labels)["signal"] for name, labels in found if name == "leadtime_leading_signal"}

    assert leading(queue, latency, mistrusted) == {"latency"}
    assert leading(queue, replace(latency, proposal=3), mistrusted) == {"inference_queue_size"}
    assert leading(replace(queue, fresh=False), replace(latency, fresh=False), mistrusted) == set()
    assert leading() == set()


def test_a_signal_of_pods_is_not_missed_and_covers_nothing_while_there_are_none() -> None:
    telemetry = Telemetry()
    held = histories.held_by_the_cool_down()
    asleep = replace(
        held.observation,
        replicas=0,
        status_replicas=0,
        pods=replace(held.observation.pods, ready=0),
        readings=(Reading(why="no pod runs"),),
    )
    decision, _ = pipeline.decide(held.policy, asleep, held.before)

    telemetry.decided(HELD, asleep, decision, STARTUP)

    names = {name for name, labels in read(telemetry) if ("signal", "inference_queue_size") in labels}
    assert names == {"leadtime_signal_target"}


def test_a_share_of_the_pods_is_what_a_signal_covers() -> None:
    telemetry = Telemetry()
    held = histories.held_by_the_cool_down()
    thin = replace(held.observation, readings=(replace(held.observation.readings[0], reporting=3, missing=1),))
    decision, _ = pipeline.decide(held.policy, thin, held.before)

    telemetry.decided(HELD, thin, decision, STARTUP)

    queue = {**QWEN, "signal": "inference_queue_size"}
    assert series(telemetry, "leadtime_signal_coverage_ratio", **queue) == 0.75
    assert series(telemetry, "leadtime_signal_fresh", **queue) == 1.0


@pytest.mark.parametrize(
    ("most", "mechanism", "shown"),
    [(0, Mechanism.LABEL, "Off"), (2, Mechanism.LABEL, "Label"), (2, Mechanism.HEADROOM, "Headroom")],
)
def test_how_a_scaler_works_is_told_in_one_series(most: int, mechanism: Mechanism, shown: str) -> None:
    telemetry = Telemetry()
    held = histories.held_by_the_cool_down()
    scaler = replace(HELD, policy=replace(held.policy, warm_pool=WarmPool(max=most)))

    telemetry.decided(scaler, held.observation, held.decision, STARTUP, pool=Pool(mechanism=mechanism, why=""))

    assert series(telemetry, "leadtime_scaler_info", **QWEN, mode="Auto", warm_pool=shown, forecast="Gated") == 1.0


def test_gpus_are_shown_with_what_they_have_come_to_and_what_pods_wait_for() -> None:
    telemetry, account = Telemetry(prices=PRICES), Account()
    telemetry.leading(leads=True)
    spot = {"gpu": "NVIDIA-H100", "capacity": "spot"}

    telemetry.used(HELD, CENSUS, account, now=histories.START)
    telemetry.used(HELD, Census((Holding(State.SERVING, GPU, 1),)), account, now=histories.START + 10)

    # For 10 s there were 4 that served and 2 that started, and now there is one.
    states = ("serving", "warm", "starting", "draining")
    assert [series(telemetry, "leadtime_gpus", **QWEN, state=state, **spot) for state in states] == [1.0, 0.0, 0.0, 0.0]
    seconds = [series(telemetry, "leadtime_gpu_seconds_total", **QWEN, state=state, **spot) for state in states]
    assert seconds == [40.0, 0.0, 20.0, 0.0]
    # 60 GPU-seconds at 3.6 an hour.
    assert series(telemetry, "leadtime_cost_total", **QWEN, **spot, currency="EUR") == pytest.approx(0.06)
    assert series(telemetry, "leadtime_gpu_hour_price", **spot, currency="EUR") == 3.6
    waiting = [series(telemetry, "leadtime_waiting_pods", **QWEN, cause=cause) for cause in ("unschedulable", "image", "loading")]
    assert waiting == [0.0, 0.0, 0.0]


def test_pods_on_their_way_are_shown_by_what_they_wait_for() -> None:
    telemetry = Telemetry()

    telemetry.used(HELD, CENSUS, Account(), now=histories.START)

    waiting = [series(telemetry, "leadtime_waiting_pods", **QWEN, cause=cause) for cause in ("unschedulable", "image", "loading")]
    assert waiting == [1.0, 0.0, 2.0]


def test_without_a_price_there_is_no_series_of_money() -> None:
    telemetry = Telemetry(prices=Prices("EUR", {}))
    telemetry.leading(leads=True)
    account = Account()

    for at in (0.0, 10.0):
        telemetry.used(HELD, CENSUS, account, now=histories.START + at)

    names = {name for name, _ in read(telemetry)}
    assert "leadtime_gpu_seconds_total" in names
    assert names & {"leadtime_cost_total", "leadtime_gpu_hour_price"} == set()


def test_prices_are_shown_by_who_leads_alone() -> None:
    telemetry = Telemetry(prices=PRICES)

    def shown() -> bool:
        return any(name == "leadtime_gpu_hour_price" for name, _ in read(telemetry))

    before = shown()
    telemetry.leading(leads=True)
    during = shown()
    telemetry.leading(leads=False)

    assert (before, during, shown()) == (False, True, False)


def test_conditions_are_1_or_0_and_absent_while_unknown() -> None:
    telemetry = Telemetry()
    said = [
        Condition(type=conditions.Type.READY, status="True", reason="Ready", message=""),
        Condition(type=conditions.Type.LIMITED, status="False", reason="WithinLimits", message=""),
        Condition(type=conditions.Type.SIGNALS_FRESH, status="Unknown", reason="NotRead", message=""),
    ]

    telemetry.answered(HELD.key, HELD, said)

    shown = {
        (dict(labels)["type"], dict(labels)["reason"]): value
        for (name, labels), value in read(telemetry).items()
        if name == "leadtime_condition"
    }
    assert shown == {("Ready", "Ready"): 1.0, ("Limited", "WithinLimits"): 0.0}


def test_who_is_not_decided_on_keeps_its_conditions_and_nothing_that_was_decided() -> None:
    telemetry = Telemetry()
    decided(telemetry)
    telemetry.used(HELD, CENSUS, Account(), now=histories.START)
    telemetry.started(HELD, START)

    telemetry.undecided(HELD.key)
    telemetry.answered(HELD.key, HELD, conditions.not_ready("TargetNotFound", "it is not there"))

    names = {name for name, labels in read(telemetry) if ("scaler", "qwen") in labels}
    assert series(telemetry, "leadtime_condition", **QWEN, type="Ready", reason="TargetNotFound") == 0.0
    assert {name for name in names if not name.startswith("leadtime_startup_duration_seconds")} == {"leadtime_condition"}


def test_an_object_that_makes_no_sense_has_conditions_and_no_target() -> None:
    telemetry = Telemetry()

    telemetry.answered(HELD.key, None, conditions.invalid([Problem("spec.maxReplicas", "is below 1")]))

    labels = {**QWEN, "target": ""}
    assert series(telemetry, "leadtime_condition", **labels, type="Ready", reason="Invalid") == 0.0


def test_every_start_counts_once_in_each_of_its_phases() -> None:
    telemetry = Telemetry()
    name = "leadtime_startup_duration_seconds"

    telemetry.started(HELD, START)  # 10 s for a node, 20 for the image, 40 for the model
    telemetry.started(HELD, Start(histories.START, 400.0))

    assert series(telemetry, f"{name}_count", **QWEN, phase="total") == 2.0
    assert series(telemetry, f"{name}_sum", **QWEN, phase="total") == 470.0
    assert [series(telemetry, f"{name}_bucket", **QWEN, phase="total", le=le) for le in ("60.0", "120.0", "900.0", "+Inf")] == [
        0.0,
        1.0,
        2.0,
        2.0,
    ]
    phases = ("scheduling", "pulling_and_loading", "loading")
    assert [series(telemetry, f"{name}_sum", **QWEN, phase=phase) for phase in phases] == [10.0, 60.0, 40.0]
    assert [series(telemetry, f"{name}_count", **QWEN, phase=phase) for phase in phases] == [1.0, 1.0, 1.0]


def test_everything_of_a_scaler_ends_with_it_and_with_our_leading() -> None:
    telemetry = Telemetry(prices=PRICES)

    def everything() -> None:
        telemetry.leading(leads=True)
        decided(telemetry)
        telemetry.used(HELD, CENSUS, Account(), now=histories.START)
        telemetry.started(HELD, START)
        telemetry.answered(HELD.key, HELD, conditions.not_ready("TargetNotFound", "it is not there"))

    def left() -> list[str]:
        return [name for name, labels in read(telemetry) if ("scaler", "qwen") in labels]

    everything()
    assert len(left()) > 40
    telemetry.forget(HELD.key)
    after_its_end = left()
    everything()
    telemetry.leading(leads=False)

    assert (after_its_end, left()) == ([], [])


def test_a_hostile_name_stays_within_its_label() -> None:
    telemetry = Telemetry(prices=PRICES)
    hostile = 'a"} 1\nleadtime_leader{x="\\'
    scaler = replace(HELD, target=TargetRef("v1", hostile, "x"))
    held = histories.held_by_the_cool_down()
    votes = tuple(replace(vote, signal=hostile) for vote in held.decision.votes)

    telemetry.decided(scaler, held.observation, replace(held.decision, votes=votes), STARTUP)
    telemetry.used(scaler, Census((Holding(State.WARM, Hardware(hostile), 1),)), Account(), now=0.0)
    telemetry.started(scaler, START)
    telemetry.answered(scaler.key, scaler, conditions.not_ready("TargetNotFound", ""))

    found = read(telemetry)
    assert {dict(labels)["target"] for _, labels in found if "target" in dict(labels)} == {f"{hostile}/x"}
    assert hostile in {dict(labels).get("signal") for _, labels in found}
    assert hostile in {dict(labels).get("gpu") for _, labels in found}
    assert [labels for name, labels in found if name == "leadtime_leader"] == [()]


def test_requests_to_the_api_server_are_counted_by_what_they_ask_for() -> None:
    telemetry = Telemetry()
    scale = "/apis/apps/v1/namespaces/llm/deployments/qwen/scale"
    for status in (200, 200, 409, 0):
        telemetry.asked(Answered("PATCH", scale, watch=False, status=status, took_s=0.02))

    patches = {"verb": "patch", "resource": "deployments/scale"}
    counts = [series(telemetry, "leadtime_kube_requests_total", **patches, code=code) for code in ("200", "409", "no_answer")]
    assert counts == [2.0, 1.0, 1.0]
    assert series(telemetry, "leadtime_kube_request_duration_seconds_bucket", verb="patch", le="0.01") == 0.0
    assert series(telemetry, "leadtime_kube_request_duration_seconds_bucket", verb="patch", le="0.025") == 4.0


@pytest.mark.parametrize(
    ("method", "path", "watch", "words"),
    [
        ("GET", "/api/v1/pods", False, ("list", "pods")),
        ("GET", "/api/v1/pods", True, ("watch", "pods")),
        ("GET", "/api/v1/namespaces/llm/pods", False, ("list", "pods")),
        ("GET", "/api/v1/namespaces/llm/configmaps/memory", False, ("get", "configmaps")),
        ("GET", "/api/v1/namespaces", False, ("list", "namespaces")),
        ("GET", "/api/v1/namespaces/llm", False, ("get", "namespaces")),
        ("POST", "/api/v1/namespaces/llm/configmaps", False, ("create", "configmaps")),
        ("PUT", "/apis/coordination.k8s.io/v1/namespaces/a/leases/b", False, ("update", "leases")),
        ("DELETE", "/api/v1/namespaces/llm/pods/qwen-0", False, ("delete", "pods")),
        (
            "PATCH",
            "/apis/leadtime.dev/v1alpha1/namespaces/a/inferencescalers/b/status",
            False,
            ("patch", "inferencescalers/status"),
        ),
        ("GET", "/apis/custom.metrics.k8s.io/v1beta2/namespaces/a/pods/*/queue", False, ("get", "custom.metrics.k8s.io")),
        ("GET", "/apis/external.metrics.k8s.io", False, ("get", "external.metrics.k8s.io")),
        ("GET", "/apis/apps/v1", False, ("get", "discovery")),
        ("GET", "/api/v1", False, ("get", "discovery")),
        ("GET", "/version", False, ("get", "discovery")),
    ],
)
def test_a_request_has_the_words_of_rbac(method: str, path: str, watch: bool, words: tuple[str, str]) -> None:
    assert apirequests.words(method, path, watch=watch) == words


@given(st.text(alphabet="/abcapis1v", max_size=30))
def test_whatever_the_path_a_request_has_words(path: str) -> None:
    verb, resource = apirequests.words("GET", path)

    assert verb in {"get", "list"}
    assert resource
