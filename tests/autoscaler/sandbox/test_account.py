"""What happened in a demo is told from what was seen of pods and load, and a loop that did not do its job is found out."""

from typing import Any

from autoscaler.sandbox.account import Account
from autoscaler.sandbox.bill import Bill
from autoscaler.sandbox.moment import Moment, Prospect, State, pods, prospect, state_of
from autoscaler.sandbox.scenario import Scenario

# 100 seconds: the burst is at 33, the load ends at 46 and returns at 84.
PLAYED = Scenario(100.0)


def moment(at: float, serving: str = "", warm: str = "", starting: str = "", **more: Any) -> Moment:
    states = {**dict.fromkeys(serving, State.SERVING), **dict.fromkeys(warm, State.WARM), **dict.fromkeys(starting, State.STARTING)}
    return Moment(**{"at": at, "rate": 1.0, "held": 0, "pods": states, **more})


def account(*moments: Moment, returned_at: float | None = None) -> Account:
    found = Account(PLAYED)
    for each in moments:
        if returned_at is not None and each.at >= returned_at:
            found.returned_at = returned_at
        found.note(each)
    return found


FORESEEN = {
    "at": "2026-01-01T00:00:01Z",
    "from": 2,
    "to": 3,
    "reason": "Forecast",
    "steps": [{"rule": "Forecast", "before": 1, "after": 2, "why": "up to 2 replicas' worth of load is forecast within 8 s"}],
}

WHOLE = (
    moment(0.0, "a", "b", gpu_seconds=30.0, prospect=Prospect(gate_open=True)),
    moment(26.0, "a", "b", starting="c", status={"trail": [FORESEEN]}),
    moment(30.0, "a", "bc"),
    moment(34.0, "ab", "c", prospect=Prospect(offered=2.5)),
    moment(38.5, "abc", starting="d"),
    moment(60.0, "a", "b"),
    moment(70.0),
    moment(85.0, rate=5.0),
    moment(90.0, "e", gpu_seconds=180.0, completed=700, late=12, failed=3),
)


def test_a_pod_is_where_its_label_and_its_readiness_say() -> None:
    def pod(name: str, *, ready: bool, **labels: str) -> dict[str, Any]:
        conditions = [{"type": "Ready", "status": str(ready)}]
        return {
            "metadata": {"name": name, "labels": {key.replace("_", "."): value for key, value in labels.items()}},
            "status": {"conditions": conditions},
        }

    warm = pod("b", ready=True)
    warm["metadata"]["labels"]["leadtime.dev/routed"] = "false"
    going = pod("d", ready=True)
    going["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z"

    assert state_of(pod("a", ready=False)) is State.STARTING
    assert pods([pod("a", ready=True), warm, pod("c", ready=False), going]) == {
        "a": State.SERVING,
        "b": State.WARM,
        "c": State.STARTING,
    }


def test_a_whole_loop_is_accounted_for() -> None:
    found = account(*WHOLE, returned_at=85.0)

    assert found.problems() == []
    assert not found.pending
    # The new pod was there before the burst, which is when it is looked for.
    assert (found.more_serving_at, found.new_pod_at, found.zero_at, found.woke_at) == (34.0, 34.0, 70.0, 90.0)
    assert (found.promotions, found.peak, found.peak_serving) == (2, 4, 3)


def test_the_summary_says_it_in_numbers() -> None:
    lines = account(*WHOLE, returned_at=85.0).summary(reads=400, decisions=None, cost=Bill(150.0, {"USD": 0.25}))

    text = "\n".join(lines)
    assert "700 answered, 12 late (first token after 2 s), 3 failed" in text
    # The burst is at 33: one more pod served a second later, and so did the one that was asked for 7 s before it.
    assert "1.0 s until one more pod served, 1.0 s until the first new pod was ready" in text
    assert "a pod asked for 7.0 s before the burst, 1 ready at it, the first 3.0 s before" in text
    # The load was more than the one pod served before a second after the burst, and a start-up takes 4 s.
    assert "the load itself would have had them 5.0 s after it, at the earliest; it was believed from the start" in text
    assert "24.0 s until no pod was left" in text
    assert "5.0 s until the first pod served" in text
    # Of 180 GPU-seconds 30 were before it began. 150 are 150 GPU-minutes of a cluster: 2.5 hours. Four pods for 90 s would be six:
    # 58 % more.
    assert "2.5, against 6.0 for 4 pods all the time, 58% less" in text
    assert "2.5 GPU-hours, 15.00 USD by the autoscaler's own count" in text
    assert "400 metric reads answered, ? decisions, 1 changes" in text


def test_each_thing_that_did_not_happen_is_named() -> None:
    nothing = account(moment(0.0, "a"), moment(40.0, "a"), moment(50.0, "a"), moment(90.0, "a"))

    assert nothing.pending
    assert nothing.problems() == [
        "the forecast had no pod ready for the burst: no pod was asked for ahead of the burst, it was never believed",
        "the burst brought no more serving pods",
        "silence did not lead to zero pods",
        "the returning load woke no pod",
    ]
    assert "never: no pod was left" in "\n".join(nothing.summary(reads=0, decisions=0))


def test_a_forecast_that_came_too_late_is_a_problem_and_nothing_to_wait_for() -> None:
    late = [each for each in WHOLE if each.at != 26.0]

    found = account(*late, returned_at=85.0)

    assert not found.pending
    assert [problem.partition(":")[0] for problem in found.problems()] == ["the forecast had no pod ready for the burst"]


def test_what_the_autoscaler_expects_is_read_from_its_own_metrics() -> None:
    labels = 'namespace="n",scaler="s",target="Deployment/s"'
    page = (
        "# TYPE leadtime_decisions_total counter\nleadtime_decisions_total 7\n"
        f"# TYPE leadtime_offered_replicas gauge\nleadtime_offered_replicas{{{labels}}} 1.6\n"
        f'leadtime_forecast_replicas{{{labels},quantile="0.5"}} 4.5\nleadtime_forecast_replicas{{{labels},quantile="0.9"}} 5.5\n'
        f"leadtime_forecast_horizon_seconds{{{labels}}} 8\nleadtime_forecast_gate_open{{{labels}}} 1\n"
        f"leadtime_forecast_loss_ratio{{{labels}}} 0.7\n"
    )

    assert prospect(page) == Prospect(offered=1.6, median=4.5, likely=5.5, horizon_s=8.0, gate_open=True, loss_ratio=0.7)
    assert prospect("") == Prospect()


def test_no_pod_before_the_silence_is_not_what_silence_led_to() -> None:
    found = account(moment(0.0), moment(10.0, "a"), moment(50.0, "a"))

    assert found.zero_at is None


def test_each_change_of_the_trail_counts_once_in_the_order_in_which_it_came() -> None:
    first = {"at": "2026-01-01T00:00:01Z", "from": 1, "to": 2, "reason": "Demand", "why": "goes from 1 to 2: the queue asks for 2"}
    held = {"at": "2026-01-01T00:00:02Z", "from": 2, "to": 2, "reason": "Cooldown", "why": "stays"}
    second = {"at": "2026-01-01T00:00:03Z", "from": 2, "to": 5, "reason": "Demand"}

    found = account(
        moment(1.0, status={"trail": [first]}),
        moment(2.0, status={"trail": [held, first]}),
        moment(3.0, status={"trail": [second, held, first]}),
    )

    assert [(change.at, change.before, change.after, change.why) for change in found.changes] == [
        (1.0, 1, 2, "goes from 1 to 2: the queue asks for 2"),
        (3.0, 2, 5, "Demand"),
    ]
