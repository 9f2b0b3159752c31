"""Decisions in words."""

from dataclasses import replace

import pytest
from hypothesis import given

from autoscaler.decision import pipeline
from autoscaler.decision.model import Decision, Kind, Mode, Rule, Trust, Vote
from autoscaler.outlook import Outlook
from autoscaler.report import counterfactual, narrate
from autoscaler.report.counterfactual import Otherwise
from tests.autoscaler.decision import strategies
from tests.autoscaler.report import histories
from tests.autoscaler.report.objects import OFFERED, OUTLOOK, document


def a_vote(**changes: object) -> Vote:
    vote = Vote(
        signal="inference_queue_size", kind=Kind.QUEUE, trust=Trust.FULL, fresh=True, value=12.0, target=10.0, demand=4.8,
        proposal=5, age_s=4.0,
    )  # fmt: skip
    return replace(vote, **changes)  # type: ignore[arg-type]


def test_a_scale_down_that_is_held_says_who_asked_for_what_and_what_holds_it() -> None:
    held = histories.held_by_the_cool_down()

    told = narrate.headline("qwen", held.decision)

    assert told == "qwen stays at 4: the queue asks for 3, but it rose 120 s ago: no scale-down for 300 s"
    assert narrate.message(held.decision) == told.removeprefix("qwen ")


def test_the_whole_text_has_signals_steps_and_what_it_would_be_otherwise() -> None:
    held = histories.held_by_the_cool_down()
    others = counterfactual.of(held.policy, held.observation, held.before, held.decision)

    told = narrate.text("qwen", held.decision, held.policy, others)

    assert told[1:] == [
        "signals (1 to 8 replicas, mode Auto):",
        "  inference_queue_size: 6/10 is the load of 2.4 replicas, asks for 3; 4 s old",
        "steps:",
        "  1. Start     4      4 serve",
        "  2. Demand    4 → 3  inference_queue_size 24 over 4 pods is 6 each against 10: asks for 3",
        "  3. Cooldown  3 → 4  it rose 120 s ago: no scale-down for 300 s",
        "without the cool-down it would be 3",
    ]


def test_what_is_only_recommended_is_told_as_such() -> None:
    held = histories.held_by_the_cool_down()
    policy = replace(held.policy, mode=Mode.RECOMMEND)
    free = replace(held.before, up_at=None)
    decision, _ = pipeline.decide(policy, held.observation, free)

    told = narrate.text("qwen", decision, policy)

    assert told[0] == "qwen would go from 4 to 3: the queue asks for 3"
    assert told[-1] == "nothing is written: mode is Recommend; Auto would set it"


def test_warm_replicas_are_told_apart_from_those_that_serve() -> None:
    world = histories.World(load=lambda _: 1.5)

    decision = world.tick().decision

    assert decision.warm == 1
    assert narrate.message(decision).startswith(f"goes from 2 to {decision.replicas} ({decision.serving} serving, 1 warm): ")


def test_without_a_vote_the_rule_speaks_for_itself() -> None:
    held = histories.held_by_the_cool_down()
    lost = replace(held.observation, readings=(replace(held.observation.readings[0], total_milli=None, why="the source is down"),))
    decision, _ = pipeline.decide(held.policy, lost, held.before)

    told = narrate.message(decision)

    assert told == "stays at 4: no signal asks for a number; inference_queue_size: the source is down"


@given(case=strategies.cases())
def test_every_decision_can_be_told_and_the_message_keeps_its_limit(case: strategies.Case) -> None:
    decision, _ = pipeline.decide(case.policy, case.observation, case.memory)
    others = [Otherwise(rules=(rule,), replicas=1, serving=1) for rule in counterfactual.candidates(decision)]

    lines = narrate.text("name", decision, case.policy, others)

    message = narrate.message(decision)
    assert 0 < len(message) <= narrate.MESSAGE_LIMIT
    assert "\n" not in "".join(lines)
    assert f" {decision.replicas}" in message
    assert len(lines) >= 3 + len(decision.votes) + len(decision.trail) + len(others)
    assert narrate.signals(decision.votes).count("/") >= len(decision.votes)


@pytest.mark.parametrize(
    ("votes", "column"),
    [
        ((a_vote(signal="util", kind=Kind.UTILIZATION, value=71.0, target=70.0), a_vote()), "gpu 71/70 · queue 12/10"),
        ((a_vote(fresh=False), a_vote(signal="kv", kind=Kind.KV_CACHE, value=0.812, target=0.8)), "queue ?/10 · kv 0.812/0.8"),
        ((a_vote(value=None, fresh=False),), "queue ?/10"),
        ((a_vote(signal="a"), a_vote(signal="b", value=3.0)), "a 12/10 · b 3/10"),
        ((a_vote(signal="jobs", kind=Kind.OTHER),), "jobs 12/10"),
        ((), ""),
    ],
)
def test_the_signals_column_is_short_and_tells_signals_of_a_kind_apart(votes: tuple[Vote, ...], column: str) -> None:
    assert narrate.signals(votes) == column


@pytest.mark.parametrize(
    ("vote", "told"),
    [
        (a_vote(), "inference_queue_size: 12/10 is the load of 4.8 replicas, asks for 5; 4 s old"),
        (
            a_vote(coverage=0.75),
            "inference_queue_size: 12/10 is the load of 4.8 replicas, asks for 5; 4 s old; 75% of the pods report",
        ),
        (
            a_vote(fresh=False, value=None, demand=None, proposal=None, age_s=400.0, why="it is 400 s old, over 60 s"),
            "inference_queue_size: ?/10; 7 min old; not counted; it is 400 s old, over 60 s",
        ),
        (
            a_vote(trust=Trust.VETO_ONLY, why="saturated", age_s=None),
            "inference_queue_size: 12/10 is the load of 4.8 replicas, asks for 5; may keep the number up, not raise it; saturated",
        ),
    ],
)
def test_a_signal_is_told_with_what_its_word_counts_for(vote: Vote, told: str) -> None:
    assert narrate.vote(vote) == told


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.0, "0"), (0.71234, "0.712"), (12.0, "12"), (71.25, "71.2"), (412.4, "412"), (9_999.0, "9999"), (12_345.0, "12.3k"),
     (3.2e6, "3.2M"), (5e9, "5G"), (-12_345.0, "-12.3k")],
)  # fmt: skip
def test_a_number_is_short(value: float, text: str) -> None:
    assert narrate.number(value) == text


@pytest.mark.parametrize(
    ("seconds", "text"), [(0.4, "0 s"), (119.0, "119 s"), (120.0, "2 min"), (7_100.0, "118 min"), (7_200.0, "2 h")]
)
def test_a_duration_is_rounded_as_people_do(seconds: float, text: str) -> None:
    assert narrate.duration(seconds) == text


def test_every_rule_has_words_and_no_two_have_the_same() -> None:
    words = [narrate.rule(rule) for rule in Rule]

    assert len(set(words)) == len(words)


def test_several_rules_that_hide_each_other_are_told_together() -> None:
    told = narrate.otherwise(Otherwise(rules=(Rule.COOLDOWN, Rule.DOWN_RATE, Rule.MIN), replicas=3, serving=2))

    assert told == "without the cool-down, the down-rate and minReplicas together it would be 3, 2 of them serving"


@pytest.mark.parametrize(("text", "limit", "cut"), [("short", 5, "short"), ("longer", 5, "long…"), ("two words", 5, "two…")])
def test_what_is_cut_ends_in_an_ellipsis(text: str, limit: int, cut: str) -> None:
    assert narrate.cut(text, limit) == cut


def test_a_decision_without_steps_beyond_the_start_still_says_something() -> None:
    held = histories.held_by_the_cool_down().decision
    bare: Decision = replace(held, votes=(), trail=held.trail[:1], reason=Rule.DEMAND, demand=None)

    assert narrate.message(bare) == "stays at 4: no signal says anything"


def test_a_status_tells_the_load_what_is_expected_of_it_and_why_that_is_believed() -> None:
    told = document(histories.expecting(histories.held_by_the_cool_down(), 6.0), offered=OFFERED, outlook=OUTLOOK)

    lines = list(narrate.status("qwen", told, None))

    assert "load in replicas: 2.4 offered now; up to 6 within 79 s; quantiles 0.5: 4.5, 0.9: 6" in lines
    assert "forecast believed: its loss is 0.81 of the best" in lines


def test_a_status_tells_of_a_forecast_that_is_still_learned() -> None:
    told = document(histories.held_by_the_cool_down(), offered=OFFERED, outlook=Outlook(why="it learns: 3 of 200"))

    lines = list(narrate.status("qwen", told, None))

    assert "load in replicas: 2.4 offered now" in lines
    assert "forecast not believed: it learns: 3 of 200" in lines


def test_a_status_of_a_load_that_is_neither_known_nor_forecast_has_no_line_of_it() -> None:
    lines = list(narrate.status("qwen", document(histories.held_by_the_cool_down()), None))

    assert not [line for line in lines if line.startswith(("load", "forecast"))]
