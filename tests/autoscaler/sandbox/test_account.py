"""What happened in a demo is told from what was seen of pods and load, and a loop that did not do its job is found out."""

from typing import Any

from autoscaler.sandbox.account import Account, Moment, State, pods, state_of
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


WHOLE = (
    moment(0.0, "a", "b"),
    moment(30.0, "a", "b"),
    moment(34.0, "ab", starting="c"),
    moment(38.5, "abc", starting="d"),
    moment(60.0, "a", "b"),
    moment(70.0),
    moment(85.0, rate=5.0),
    moment(90.0, "e", gpu_seconds=150.0, completed=700, late=12, failed=3),
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

    assert found.done
    assert (found.more_serving_at, found.new_pod_at, found.zero_at, found.woke_at) == (34.0, 38.5, 70.0, 90.0)
    assert (found.promotions, found.peak, found.peak_serving) == (1, 4, 3)


def test_the_summary_says_it_in_numbers() -> None:
    lines = account(*WHOLE, returned_at=85.0).summary(reads=400, decisions=None)

    text = "\n".join(lines)
    assert "700 answered, 12 late (first token after 2 s), 3 failed" in text
    # The burst is at 33: one more pod served a second later, and the new one 5.5 s after it.
    assert "1.0 s until one more pod served, 5.5 s until the first new pod was ready" in text
    assert "24.0 s until no pod was left" in text
    assert "5.0 s until the first pod served" in text
    # 150 GPU-seconds are 150 GPU-minutes of a cluster: 2.5 hours. Four pods for 90 s would be six: 58 % more.
    assert "2.5, against 6.0 for 4 pods all the time, 58% less" in text
    assert "400 metric reads answered, ? decisions, 0 changes" in text


def test_each_thing_that_did_not_happen_is_named() -> None:
    nothing = account(moment(0.0, "a"), moment(40.0, "a"), moment(50.0, "a"), moment(90.0, "a"))

    assert not nothing.done
    assert nothing.problems() == [
        "the burst brought no more serving pods",
        "silence did not lead to zero pods",
        "the returning load woke no pod",
    ]
    assert "never: no pod was left" in "\n".join(nothing.summary(reads=0, decisions=0))


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
