"""The demo's screen shows what was seen: load, queue, pods by where they are, the decision and its reason."""

import io

from rich.console import Console

from autoscaler.decision.model import Mode
from autoscaler.resource import policy
from autoscaler.sandbox import scenario, screen
from autoscaler.sandbox.account import Account, Change, Moment, State
from autoscaler.sandbox.scenario import Scenario

MOMENT = Moment(
    at=34.0,
    rate=27.0,
    held=31,
    gpu_percent=84.6,
    pods={"a": State.SERVING, "b": State.SERVING, "c": State.WARM, "d": State.STARTING},
    status={"message": "goes from 2 to 5 (3 serving, 2 warm): the queue asks for 3", "signals": "gpu 85/70 · queue 16/10"},
)


def shown(*history: Moment, changes: tuple[Change, ...] = ()) -> str:
    console = Console(file=io.StringIO(), width=120)
    account = Account(Scenario(100.0), changes=list(changes))
    console.print(screen.picture(account, history))
    text: str = console.file.getvalue()  # type: ignore[attr-defined]
    return text


def test_a_moment_is_shown_whole() -> None:
    text = shown(MOMENT, changes=(Change(12.0, 1, 2, "goes from 1 to 2: the GPU utilisation asks for 2"),))

    assert "34 s  a burst" in text
    assert "60 times shorter" in text
    assert " 27.0 /s" in text
    assert "31 wait" in text
    assert "85 % busy" in text
    # Room for eight pods at most: four are there.
    assert "● ● ○ ◌ · · · ·" in text
    assert "2 serving, 1 warm, 1 starting" in text
    assert "goes from 2 to 5 (3 serving, 2 warm): the queue asks for 3" in text
    assert "gpu 85/70 · queue 16/10" in text
    assert "12 s    1 → 2  the GPU utilisation asks for 2" in text


def test_before_the_first_decision_and_without_pods_it_says_so() -> None:
    text = shown(Moment(at=0.0, rate=0.0, held=0))

    assert "none yet" in text
    assert "– busy" in text
    assert "0 serving, 0 warm, 0 starting" in text


def test_a_line_says_the_same_for_a_log() -> None:
    line = screen.line(Account(Scenario(100.0)), MOMENT)

    assert "load 27.0/s  waiting  31  85 %  ●2 ○1 ◌1  goes from 2 to 5" in line
    assert "\n" not in line


def test_bars_are_as_high_as_what_they_stand_for() -> None:
    assert screen.spark([0.0, 50.0, 100.0], top=100.0) == "▁▅█"
    assert screen.spark([0.0, 0.0]) == "▁▁"
    assert screen.spark([]) == ""


def test_every_stretch_of_the_load_has_its_name() -> None:
    played = Scenario(90.0)

    names = list(dict.fromkeys(played.scene(float(at)) for at in range(90)))

    assert names == ["a quiet start", "a ramp", "a plateau", "a burst", "silence", "work again"]


def test_the_load_rises_jumps_and_ends_in_order() -> None:
    played = Scenario(90.0)
    points = played.before_silence()

    assert [at for at, _ in points] == sorted(at for at, _ in points)
    assert points[-1] == (played.silence_at, 0.0)
    assert played.burst_at < played.silence_at < played.return_at < played.duration_s


def test_the_demos_object_is_one_that_the_autoscaler_takes() -> None:
    document = scenario.scaler()
    document["metadata"] |= {"uid": "u-1", "generation": 1, "creationTimestamp": "2026-01-01T00:00:00Z"}

    read = policy.read(document, known_zone=lambda _: True)

    assert read.policy.mode is Mode.AUTO
    assert (read.policy.min_replicas, read.policy.max_replicas) == (0, scenario.MAX_REPLICAS)
    assert [query.metric for query in read.queries] == [scenario.UTILIZATION, scenario.QUEUE]
    assert read.policy.idle is not None
    assert read.policy.idle.zero_after_s is not None
