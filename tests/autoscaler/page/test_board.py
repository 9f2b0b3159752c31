"""The board: rows joined of what objects say and what was decided, a past that is bounded, and forgotten with its object."""

import json
import tracemalloc
from dataclasses import replace

import pytest

from autoscaler.decision.model import Mode
from autoscaler.page import board as boards
from autoscaler.page.board import Board
from autoscaler.report import standings
from autoscaler.resource.scaler import Key
from tests.autoscaler.page import fleet
from tests.autoscaler.page.fleet import START, Target

QWEN = Key("llm", "qwen")
TICK_S = 5.0


def board() -> Board:
    return Board(tick_s=TICK_S, clock=lambda: START)


def target(name: str = "qwen", **changes: object) -> Target:
    return Target(Key("llm", name), fleet.waves(low=1.0, high=6.0), **changes)  # type: ignore[arg-type]


def ticks(count: int, step_s: float = TICK_S) -> list[float]:
    return [START + step_s * tick for tick in range(count)]


def test_a_row_has_what_was_decided_last() -> None:
    shown, qwen = board(), target()

    fleet.lived(shown, [qwen], ticks(60))
    told = qwen.decided(START + 300.0)
    shown.decided(told, qwen.account)

    row = shown.get(QWEN).document()  # type: ignore[union-attr]
    assert (row["namespace"], row["name"], row["target"], row["mode"]) == ("llm", "qwen", "Deployment/qwen", "Auto")
    assert (row["current"], row["desired"]) == (told.observation.replicas, told.decision.replicas)
    assert row["ready"] == told.observation.pods.ready + told.observation.pods.warm_ready
    assert (row["least"], row["most"]) == (1, 12)
    assert row["signal"]["name"] in {vote.signal for vote in told.decision.votes}
    assert row["metricAt"] == START + 300.0 - 3.0
    assert row["gpus"] == told.census.gpus
    assert row["cost"].endswith(" USD")
    assert row["live"] is True


def test_a_row_of_a_standby_is_what_the_object_says() -> None:
    shown, qwen = board(), target()

    shown.heard(QWEN, json.dumps(qwen.document(START)).encode())

    row = shown.get(QWEN).document()  # type: ignore[union-attr]
    assert (row["current"], row["desired"], row["most"], row["live"]) == (2, 2, 12, False)
    assert shown.get(QWEN).past is None  # type: ignore[union-attr]


def test_what_the_conditions_complain_of_stands_in_the_row_of_a_decided_scaler() -> None:
    shown, qwen = board(), target()
    shown.decided(qwen.decided(START), qwen.account)

    shown.heard(QWEN, json.dumps(qwen.document(START, {"Conflict": "an HPA scales it too"})).encode())

    assert shown.get(QWEN).document()["trouble"] == ["Conflict: an HPA scales it too"]  # type: ignore[union-attr]


def test_what_is_not_decided_any_more_shows_its_object_and_keeps_its_past() -> None:
    shown, qwen = board(), target()
    shown.heard(QWEN, json.dumps(qwen.document(START, {"Ready": "its target is gone"})).encode())
    shown.decided(qwen.decided(START), qwen.account)

    shown.undecided(QWEN)

    found = shown.get(QWEN)
    assert found is not None
    assert found.document()["live"] is False
    assert found.document()["trouble"] == ["Ready: its target is gone"]
    assert found.past is not None
    assert len(found.past.fine) == 1


def test_a_past_is_forgotten_with_its_object() -> None:
    shown, qwen = board(), target()
    shown.decided(qwen.decided(START), qwen.account)

    shown.heard(QWEN, None)

    assert shown.get(QWEN) is None
    assert shown.feed.since(0) == ([], [QWEN])


def test_a_past_ends_with_leading_and_nobody_takes_its_events_for_those_of_the_next() -> None:
    shown, qwen = board(), target()
    shown.heard(QWEN, json.dumps(qwen.document(START)).encode())
    shown.decided(qwen.decided(START), qwen.account)
    before = shown.incarnation

    shown.ended()

    found = shown.get(QWEN)
    assert found is not None
    assert (found.past, found.decisions, found.told) == (None, None, None)
    assert found.document()["live"] is False
    assert shown.incarnation != before


@pytest.mark.parametrize("tick_s", [0.5, 1.0, 5.0, 7.0, 15.0])
def test_the_coarse_step_holds_whole_fine_ones(tick_s: float) -> None:
    shown, qwen = Board(tick_s=tick_s, clock=lambda: START), target()

    shown.decided(qwen.decided(START), qwen.account)

    past = shown.get(QWEN).past  # type: ignore[union-attr]
    steps = past.coarse.extent.step_s / past.fine.extent.step_s  # type: ignore[union-attr]
    assert steps == round(steps)
    assert past.coarse.extent.step_s == pytest.approx(360.0, rel=0.05)  # type: ignore[union-attr]


def test_a_full_past_of_a_target_takes_at_most_80_kib() -> None:
    shown, qwen = board(), target()
    tracemalloc.start()
    fleet.lived(shown, [qwen], ticks(boards.FINE_POINTS + 12, 360.0))
    ours = (tracemalloc.Filter(inclusive=True, filename_pattern="*/autoscaler/page/*"),)
    statistics = tracemalloc.take_snapshot().filter_traces(ours).statistics("filename")
    tracemalloc.stop()

    found = shown.get(QWEN)
    assert found is not None
    assert found.past is not None
    assert found.decisions is not None
    # (8 + 11 x 4 + 3 signals x 8) x (300 + 240 points), and the decisions; 500 of them are 39 MiB with what Python needs.
    assert found.past.fine.bytes_kept + found.past.coarse.bytes_kept <= 76 * 540
    assert found.decisions.bytes_kept <= boards.DECISION_BYTES
    assert len(found.decisions) > 20
    assert sum(each.size for each in statistics) <= 80 * 1024


def test_twice_as_many_targets_as_have_full_room_share_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(boards, "FULL_TARGETS", 2)
    shown = board()
    pair = [target(name) for name in "ab"]
    fleet.lived(shown, pair, ticks(boards.FINE_POINTS))
    four = [target(name) for name in "cd"]

    fleet.lived(shown, four, ticks(1))

    assert {len(each.past.fine) for each in shown if each.past and each.key.name in "ab"} == {boards.FINE_POINTS // 2}


def test_the_line_of_replicas_is_short_however_long_it_was_looked_at() -> None:
    shown, qwen = board(), target()

    fleet.lived(shown, [qwen], ticks(2000))

    assert len(shown.get(QWEN).document()["spark"]) == 40  # type: ignore[union-attr]


def test_a_paused_scaler_says_so() -> None:
    shown, qwen = board(), target(policy=fleet.policy(mode=Mode.PAUSED))

    shown.decided(qwen.decided(START), qwen.account)

    assert shown.get(QWEN).document()["mode"] == "Paused"  # type: ignore[union-attr]


def test_a_lower_bound_above_the_upper_one_gives_way() -> None:

    told = target().decided(START)
    seen = replace(told.observation, schedule=replace(told.observation.schedule, min_replicas=9, max_replicas=4))

    assert standings.bounds(told.scaler.policy, seen) == (4, 4)
