"""The demo's screen shows what was seen: load, queue, pods by where they are, the decision and its reason."""

import dataclasses
import io

import pytest
from rich.console import Console

from autoscaler.decision.model import ForecastMode, Mode
from autoscaler.resource import policy
from autoscaler.sandbox import scenario, scenery, screen
from autoscaler.sandbox.account import Account, Change
from autoscaler.sandbox.fleet.load import Shape
from autoscaler.sandbox.moment import Moment, Prospect, State
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


def test_the_band_is_on_one_scale_with_the_load_and_rises_before_it() -> None:
    calm, ahead = (
        Prospect(offered=2.0, median=2.0, likely=2.0, horizon_s=8.0),
        Prospect(offered=2.0, median=6.0, likely=8.0, horizon_s=8.0),
    )
    history = [
        dataclasses.replace(MOMENT, prospect=each) for each in (calm, dataclasses.replace(ahead, gate_open=True, loss_ratio=0.7))
    ]

    text = shown(*history)

    # The highest is 8: 2 is a quarter of it, two of eight steps up, and 6 five.
    assert "ahead 90    8.0 pods  ▃█" in text
    assert "ahead 50    6.0 pods  ▃▆" in text
    assert "offered     2.0 pods  ▃▃" in text
    assert "8 s ahead, believed: its loss is 0.70 of the best reactive forecast's" in text


def test_a_forecast_that_is_not_believed_or_not_there_is_said_to_be_so() -> None:
    shut = dataclasses.replace(MOMENT, prospect=Prospect(median=4.5, likely=5.5, loss_ratio=1.02))

    assert "not believed: its loss is 1.02" in shown(shut)
    assert "forecast 4.5–5.5 (not believed)" in screen.line(Account(Scenario(100.0)), shut)
    assert "learning" in shown(MOMENT)
    assert "forecast ––– (not believed)" in screen.line(Account(Scenario(100.0)), MOMENT)


def test_before_the_first_decision_and_without_pods_it_says_so() -> None:
    text = shown(Moment(at=0.0, rate=0.0, held=0))

    assert "none yet" in text
    assert "– busy" in text
    assert "0 serving, 0 warm, 0 starting" in text


def test_a_line_says_the_same_for_a_log() -> None:
    line = screen.line(Account(Scenario(100.0)), MOMENT)

    assert "load 27.0/s" in line
    assert "waiting  31  85 %  ●2 ○1 ◌1  goes from 2 to 5" in line
    assert "\n" not in line


def test_bars_are_as_high_as_what_they_stand_for() -> None:
    assert screen.spark([0.0, 50.0, 100.0], top=100.0) == "▁▅█"
    assert screen.spark([0.0, 0.0]) == "▁▁"
    assert screen.spark([]) == ""
    assert screen.spark([100.0, None, 0.0]) == "█ ▁"  # what is not known is not nothing
    assert screen.spark([None]) == " "


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


@pytest.mark.parametrize("seconds", [60.0, 75.0, 90.0, 600.0])
def test_every_day_has_the_load_of_this_one_until_it_returns(seconds: float) -> None:
    played = Scenario(seconds)
    today, usual = Shape(played.before_silence()), Shape(played.usual())

    assert [at for at, _ in played.usual()] == sorted(at for at, _ in played.usual())
    assert played.usual()[-1][0] - played.usual()[0][0] == scenario.DAY_S
    assert all(usual.rate(float(at)) == today.rate(float(at)) for at in range(int(played.return_at)))
    assert usual.rate(played.return_at + 1.0) == 0.0


def test_the_demos_object_is_one_that_the_autoscaler_takes() -> None:
    document = scenario.scaler()
    document["metadata"] |= {"uid": "u-1", "generation": 1, "creationTimestamp": "2026-01-01T00:00:00Z"}

    read = policy.read(document, known_zone=lambda _: True)

    assert read.policy.mode is Mode.AUTO
    assert (read.policy.min_replicas, read.policy.max_replicas) == (0, scenario.MAX_REPLICAS)
    assert [query.metric for query in read.queries] == [scenario.UTILIZATION, scenario.QUEUE, scenery.REQUEST_RATE]
    assert read.policy.forecast.mode is ForecastMode.GATED
    assert read.history_query == scenario.day(Scenario(90.0)).query
    assert read.policy.idle is not None
    assert read.policy.idle.zero_after_s is not None


@pytest.mark.parametrize(
    ("environment", "platform", "there"),
    [
        ({"DISPLAY": ":0"}, "linux", True),
        ({"WAYLAND_DISPLAY": "wayland-0"}, "linux", True),
        ({}, "linux", False),
        ({"DISPLAY": ":0", "CI": "true"}, "linux", False),
        ({"DISPLAY": ":0", "BROWSER": "none"}, "linux", False),
        ({}, "darwin", True),
        ({"SSH_CONNECTION": "10.0.0.1 1 10.0.0.2 22"}, "darwin", False),
    ],
)
def test_a_browser_is_opened_where_somebody_sees_it(environment: dict[str, str], platform: str, there: bool) -> None:
    assert screen.is_there(environment, platform) is there
