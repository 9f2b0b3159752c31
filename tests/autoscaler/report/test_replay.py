"""Decisions taken again from their records."""

from dataclasses import replace

import pytest

from autoscaler.decision.model import Memory, Rule
from autoscaler.report import replay
from tests.autoscaler.report import histories


def test_a_history_comes_out_again_from_each_record_and_from_the_chain_of_memories() -> None:
    records = list(histories.World(load=histories.busy).run(300))

    (told,) = replay.check(records)

    assert (told.decisions, told.reproduced, told.chained, told.begun) == (300, 300, 300, 1)
    assert told.faithful
    assert (told.first_at, told.last_at) == (histories.START, histories.START + 299 * histories.TICK_S)


def test_a_number_that_does_not_come_out_again_is_shown() -> None:
    records = list(histories.World().run(3))
    forged = replace(records[1], decision=replace(records[1].decision, replicas=7, serving=7))

    (told,) = replay.check([records[0], forged, records[2]])

    decision = records[1].decision
    assert not told.faithful
    assert (told.decisions, told.reproduced, told.chained) == (3, 2, 2)
    assert told.mismatches == [
        replay.Mismatch(records[1].observation.now, (7, 7), (decision.replicas, decision.serving), chained=False)
    ]


def test_a_memory_that_the_decision_before_did_not_leave_breaks_the_chain_alone() -> None:
    # Each record fits by itself, and its memory is the one that the record before ends with; but no decision left that one.
    held = histories.held_by_the_cool_down()
    first = replace(held, after=replace(held.after, up_at=histories.START - 10))
    again = replay.check([first])[0]
    reading = replace(held.observation.readings[0], at=histories.START + 200)
    seen = replace(held.observation, now=histories.START + 200, readings=(reading,))
    world = histories.World(policy=held.policy)
    world.memory = first.after
    second = world.tick(seen)
    assert second.decision.reason is Rule.COOLDOWN

    (told,) = replay.check([first, second])

    assert again.faithful
    assert (told.decisions, told.reproduced, told.chained) == (2, 2, 1)
    assert [mismatch.chained for mismatch in told.mismatches] == [True]


def test_a_restart_begins_the_chain_anew() -> None:
    world = histories.World()
    records = list(world.run(5))
    world.memory = Memory(no_down_before=world.now + 300)
    records += world.run(5)

    (told,) = replay.check(records)

    assert told.faithful
    assert told.begun == 2


def test_targets_are_told_apart() -> None:
    worlds = [histories.World(target=f"team/{name}") for name in "ab"]
    records = [world.tick() for _ in range(2) for world in worlds]

    assert [(told.target, told.decisions, told.faithful) for told in replay.check(records)] == [
        ("team/a", 2, True),
        ("team/b", 2, True),
    ]


def test_what_a_rule_was_worth_is_told_in_stretches() -> None:
    held = histories.held_by_the_cool_down()
    records = [replace(held, observation=replace(held.observation, now=histories.START + later_s)) for later_s in (0.0, 15.0, 30.0)]

    told = list(replay.what_if(records, without=frozenset({Rule.COOLDOWN})))

    start = histories.START
    assert told == [(histories.TARGET, replay.Changed(start, start + 30.0, 3, recorded=4, otherwise=3))]


def test_stretches_end_where_the_numbers_agree_again() -> None:
    held = histories.held_by_the_cool_down()
    free = replace(held, decision=replace(held.decision, replicas=3, serving=3))

    told = list(replay.what_if([held, free, held], without=frozenset({Rule.COOLDOWN})))

    assert [(run.decisions, run.recorded, run.otherwise) for _, run in told] == [(1, 4, 3), (1, 4, 3)]


def test_another_setting_changes_what_it_would_have_changed() -> None:
    held = histories.held_by_the_cool_down()  # 120 s after a scale-up, of 300

    same = list(replay.what_if([held], settings=[("scale_down.cooldown_s", 121.0)]))
    other = list(replay.what_if([held], settings=[("scale_down.cooldown_s", 119.0)]))

    assert same == []
    assert [run.otherwise for _, run in other] == [3]


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        ("scale_down.cooldown", 1.0, "scale_down.cooldown is no setting of a policy: max_replicas, "),
        ("max_replicas.more", 1, "is no setting"),
        ("max_replicas", "many", "Expected `int`"),
        ("max_replicas", 0, "minReplicas 1 is not between 0 and maxReplicas 0"),
    ],
)
def test_a_setting_that_does_not_exist_or_is_refused_is_an_error(path: str, value: object, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        list(replay.what_if([histories.held_by_the_cool_down()], settings=[(path, value)]))
