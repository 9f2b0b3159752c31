"""The laws of a decision: they hold for whatever is asked for, seen and remembered."""

import itertools
from dataclasses import replace

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from autoscaler.decision import idle, pipeline
from autoscaler.decision.model import (
    Decision,
    DownRule,
    Forecast,
    ForecastMode,
    ForecastPolicy,
    Idle,
    Kind,
    Memory,
    MissingBehavior,
    Mode,
    Observation,
    OnMissing,
    Pods,
    Policy,
    Reading,
    Rule,
    ScaleDown,
    Source,
    TargetType,
    WarmPool,
)
from tests.autoscaler.decision import loop, strategies
from tests.autoscaler.decision.strategies import Case

#: What may take replicas away whatever the signals say: somebody wrote that there shall be fewer.
_ORDERS = {Rule.OUT_OF_BOUNDS, Rule.MAX, Rule.SCHEDULE, Rule.BUDGET}
#: What may keep the number below the least that the policy allows: more would not run.
_CEILINGS = {Rule.BUDGET, Rule.UNSCHEDULABLE, Rule.ROLL_OUT}


def decide(case: Case, without: frozenset[Rule] = frozenset()) -> Decision:
    return pipeline.decide(case.policy, case.observation, case.memory, without)[0]


def rules(decision: Decision) -> set[Rule]:
    return {step.rule for step in decision.trail if step.before != step.after}


def before(decision: Decision) -> int:
    """Return how many replicas served."""
    return decision.trail[0].before


def left_alone(decision: Decision) -> bool:
    said = {step.rule for step in decision.trail}
    return bool(said & {Rule.PAUSED, Rule.DISABLED}) or (Rule.CONFLICT in said and not decision.act)


# ── bounds ───────────────────────────────────────────────────────────────────────────────────────────────────────────────────


@given(strategies.cases())
def test_the_number_is_between_the_bounds_or_left_as_it_is(case: Case) -> None:
    decision = decide(case)

    if left_alone(decision):
        assert decision.replicas == case.observation.replicas
    else:
        assert decision.replicas <= case.policy.max_replicas
        assert decision.replicas >= idle.lowest(case.policy) or rules(decision) & _CEILINGS


@given(strategies.cases())
def test_those_that_serve_are_among_the_replicas(case: Case) -> None:
    decision = decide(case)

    assert 0 <= decision.serving <= decision.replicas
    assert decision.serving + decision.warm == decision.replicas


@given(strategies.cases(), st.integers(0, 24), st.integers(1, 4), st.booleans())
def test_the_budget_pays_for_what_is_added(case: Case, max_gpus: int, gpus: int, remembered: bool) -> None:
    policy, seen = replace(case.policy, max_gpus=max_gpus), replace(case.observation, gpus_per_replica=None if remembered else gpus)
    memory = replace(case.memory, gpus_per_replica=gpus) if remembered else case.memory

    decision, after = pipeline.decide(policy, seen, memory)

    if decision.replicas > seen.replicas:
        assert decision.replicas * gpus <= max_gpus
    assert after.gpus_per_replica == gpus


@given(strategies.cases(), st.integers(1, 24))
def test_while_nobody_knows_what_a_replica_takes_one_is_the_most_that_a_budget_lets_come(case: Case, max_gpus: int) -> None:
    seen = replace(case.observation, gpus_per_replica=None)

    memory = replace(case.memory, gpus_per_replica=None)
    free = decide(Case(replace(case.policy, max_gpus=None), seen, memory))

    decision = decide(Case(replace(case.policy, max_gpus=max_gpus), seen, memory))

    assert decision.replicas == min(free.replicas, max(seen.replicas, 1))
    assert (Rule.BUDGET in decision.limited_by) >= (decision.replicas < free.replicas)


@given(strategies.cases(), st.integers(1, 24), st.booleans())
def test_what_takes_no_gpus_has_no_budget(case: Case, max_gpus: int, remembered: bool) -> None:
    seen = replace(case.observation, gpus_per_replica=None if remembered else 0)
    memory = replace(case.memory, gpus_per_replica=0) if remembered else case.memory

    free, _ = pipeline.decide(replace(case.policy, max_gpus=None), seen, memory)

    assert decide(Case(replace(case.policy, max_gpus=max_gpus), seen, memory)) == free


@given(strategies.cases())
def test_what_is_not_auto_is_never_acted_on_and_remembers_no_act(case: Case) -> None:
    decision, after = pipeline.decide(case.policy, case.observation, case.memory)

    if case.policy.mode is not Mode.AUTO:
        assert not decision.act
        assert (after.expected, after.serving) == (None, None)
    if not decision.act:
        assert (after.ups, after.downs, after.up_at, after.down_at) == (
            case.memory.ups,
            case.memory.downs,
            case.memory.up_at,
            case.memory.down_at,
        )


# ── the trail ────────────────────────────────────────────────────────────────────────────────────────────────────────────────


@given(strategies.cases())
def test_the_trail_leads_from_what_serves_to_the_replicas_without_a_gap(case: Case) -> None:
    decision = decide(case)

    steps = decision.trail
    assert steps[0].rule is Rule.START
    assert steps[0].before == steps[0].after
    assert all(one.after == other.before for one, other in itertools.pairwise(steps))
    assert steps[-1].after == decision.replicas
    assert all(step.why for step in steps)


@given(strategies.cases())
def test_the_reason_and_the_limits_are_among_the_steps(case: Case) -> None:
    decision = decide(case)

    assert decision.reason in {step.rule for step in decision.trail}
    assert set(decision.limited_by) <= rules(decision)


@given(strategies.cases(), st.sampled_from([rule for rule in Rule if rule is not Rule.START]))
def test_a_rule_that_is_left_out_leaves_no_step(case: Case, rule: Rule) -> None:
    decision = decide(case, frozenset({rule}))

    assert rule not in {step.rule for step in decision.trail}
    assert 0 <= decision.serving <= decision.replicas


@given(strategies.cases())
def test_the_same_question_has_the_same_answer(case: Case) -> None:
    assert pipeline.decide(case.policy, case.observation, case.memory) == pipeline.decide(
        case.policy, case.observation, case.memory
    )


# ── what is missing, and what is forecast ────────────────────────────────────────────────────────────────────────────────────


@given(strategies.cases())
def test_nothing_is_lowered_on_missing_or_late_data_unless_somebody_ordered_it(case: Case) -> None:
    decision = decide(case)
    assume(before(decision) > 0 and not all(vote.fresh for vote in decision.votes))

    ordered = {step.rule for step in decision.trail} & _ORDERS
    room = min(case.policy.max_replicas, case.observation.schedule.max_replicas or case.policy.max_replicas)
    fallback = case.policy.on_missing.behavior in {MissingBehavior.STATIC, MissingBehavior.CURRENT_IF_LOWER}
    if not ordered and not (fallback and Rule.METRIC_LOSS in rules(decision)):
        assert decision.serving >= before(decision)
        assert decision.replicas >= min(case.observation.replicas, decision.serving + case.policy.warm_pool.max, room)


@given(strategies.cases())
def test_the_forecast_never_lowers(case: Case) -> None:
    reactive = decide(replace(case, observation=replace(case.observation, forecast=None)))

    decision = decide(case)

    assert decision.replicas >= reactive.replicas
    assert decision.serving >= reactive.serving


@given(strategies.cases(), st.sampled_from([ForecastMode.OFF, ForecastMode.GATED]))
def test_a_forecast_that_may_not_be_used_changes_no_bit(case: Case, mode: ForecastMode) -> None:
    policy = replace(case.policy, forecast=ForecastPolicy(mode=mode))
    shut = Forecast(serving=11.5, pool=12.5, horizon_s=90.0, gate_open=mode is ForecastMode.OFF)

    reactive = pipeline.decide(policy, replace(case.observation, forecast=None), case.memory)

    assert pipeline.decide(policy, replace(case.observation, forecast=shut), case.memory) == reactive


# ── more load ────────────────────────────────────────────────────────────────────────────────────────────────────────────────


@given(strategies.consistent_cases(), st.data())
def test_more_load_in_any_one_signal_never_asks_for_fewer(case: Case, data: st.DataObject) -> None:
    readings, pods = case.observation.readings, case.observation.pods
    # The HPA takes a value past its tolerance times the pods that are ready: while some are not, that is fewer than there are.
    assume(case.policy.scale_down.rule is not DownRule.TARGET or not pods.starting)
    index = data.draw(st.integers(0, len(readings) - 1))
    total = readings[index].total_milli
    assume(total is not None)
    more = (total or 0) + data.draw(st.integers(0, 2 * case.policy.signals[index].target_milli * 12))

    less = decide(case)
    decision = decide(replace(case, observation=strategies.loaded(case.observation, index, more)))

    assert decision.serving >= less.serving
    assert decision.replicas >= less.replicas


# ── over time ────────────────────────────────────────────────────────────────────────────────────────────────────────────────

#: Kinds whose target is a number per replica.
_LOADED = tuple(kind for kind in Kind if kind is not Kind.LATENCY)
_POLICIES = st.builds(
    replace,
    st.just(loop.AUTO),
    min_replicas=st.sampled_from([0, 1, 2]),
    scale_down=st.builds(ScaleDown, rule=st.sampled_from(DownRule), cooldown_s=st.sampled_from([60.0, 300.0])),
    warm_pool=st.sampled_from([WarmPool(), WarmPool(min=1, max=2), WarmPool(min=1, max=1, at_zero=True)]),
    idle=st.sampled_from([None, Idle(), Idle(after_s=60.0, zero_after_s=120.0)]),
    on_missing=st.builds(OnMissing, behavior=st.sampled_from([MissingBehavior.HOLD, MissingBehavior.CURRENT_IF_HIGHER])),
    forecast=st.sampled_from([ForecastPolicy(), ForecastPolicy(mode=ForecastMode.ALWAYS)]),
)
#: Loads in replicas that stand for some ticks each; None: nothing can be read.
_LOADS = st.lists(st.tuples(st.sampled_from([0.0, 0.3, 1.0, 2.6, 5.0, 9.0, None]), st.integers(1, 30)), min_size=1, max_size=8).map(
    lambda runs: [load for load, ticks in runs for _ in range(ticks)]
)
_FORECASTS = st.none() | st.builds(
    Forecast,
    serving=st.sampled_from([0.0, 2.0, 6.5]),
    pool=st.sampled_from([None, 3.0, 8.0]),
    horizon_s=st.just(75.0),
    gate_open=st.booleans(),
)


@st.composite
def _lives(draw: st.DrawFn) -> loop.Loop:
    """Draw a target that has lived through a load."""
    life = loop.Loop(policy=draw(_POLICIES))
    loads = draw(_LOADS)
    forecasts = draw(st.lists(_FORECASTS, min_size=1, max_size=4))
    for index, load in enumerate(loads):
        life.tick(load, forecast=forecasts[index % len(forecasts)])
    return life


@given(_lives())
def test_nothing_that_rose_falls_before_the_cool_down_is_over(life: loop.Loop) -> None:
    rose_at = -1e9
    for record in life.records:
        decision = record.decision
        if decision.replicas < decision.current or decision.serving < before(decision):
            assert decision.at - rose_at >= life.policy.scale_down.cooldown_s, decision.trail
        if decision.replicas > decision.current or decision.serving > before(decision):
            rose_at = decision.at


@given(_POLICIES, _LOADS, st.integers(1, 16), st.integers(1, 4))
def test_from_the_first_replica_on_no_more_gpus_are_asked_for_than_are_paid_for(
    policy: Policy, loads: list[float | None], max_gpus: int, gpus: int
) -> None:
    life = loop.Loop(policy=replace(policy, min_replicas=0, max_gpus=max_gpus), replicas=0, serving=0)

    for load in loads:
        decision = life.tick(load, gpus_per_replica=gpus if life.replicas else None)
        # One has to run for it to be known, and the last one is not taken.
        assert decision.replicas <= max(1, max_gpus // gpus)


@given(_POLICIES, _LOADS, st.integers(0, 4).map(lambda power: 15.0 * 10.0**power), st.sampled_from([2.6, 5.0, 9.0]))
def test_a_clock_that_is_set_back_delays_a_scale_up_by_a_tick_at_most(
    policy: Policy, loads: list[float | None], back_s: float, load: float
) -> None:
    lives = [loop.Loop(policy=policy), loop.Loop(policy=policy)]
    for life in lives:
        life.run(loads)
    lives[1].set_back(back_s)

    without, turned = ([one.replicas for one in life.run([load] * 60)] for life in lives)

    for number in {*without[:-1]}:
        reached = next(tick for tick, replicas in enumerate(without) if replicas >= number)
        assert max(turned[: reached + 2]) >= number, (without, turned)


@given(_lives())
def test_what_was_recorded_gives_the_same_integers_again(life: loop.Loop) -> None:
    for record in life.records:
        assert pipeline.decide(record.policy, record.observation, record.before) == (record.decision, record.after)


@given(_lives())
def test_memory_does_not_grow_with_time(life: loop.Loop) -> None:
    # 300 s windows of 15 s ticks hold 20 of them, and periods of up to 120 s no more changes than that.
    assert len(life.memory.asked) <= 21
    assert len(life.memory.ups) <= 9
    assert len(life.memory.downs) <= 9


@given(_POLICIES, st.sampled_from([0.0, 0.3, 0.95, 1.7, 3.2, 7.9, 20.0]), st.integers(1, 8))
def test_under_the_same_load_the_number_comes_to_rest(policy: loop.model.Policy, load: float, replicas: int) -> None:
    life = loop.Loop(policy=replace(policy, idle=None), replicas=replicas, serving=replicas)

    # Eight replicas down at one in two minutes, after the cool-down and the window.
    life.settle(load, 8 * 120 + 900)
    rest = [life.tick(load) for _ in range(40)]

    assert len({(one.replicas, one.serving) for one in rest}) == 1
    assert all(one.replicas == one.current for one in rest)


@given(strategies.policies(kinds=_LOADED, mode=Mode.AUTO), st.integers(1, strategies.MAX_REPLICAS), st.data())
def test_what_is_at_its_target_is_left_as_it_is(policy: Policy, replicas: int, data: st.DataObject) -> None:
    assume(policy.min_replicas <= replicas <= policy.max_replicas)
    policy = replace(policy, warm_pool=WarmPool(), max_gpus=None)
    observation = Observation(
        now=strategies.NOW,
        replicas=replicas,
        status_replicas=replicas,
        pods=Pods(ready=replicas),
        readings=tuple(
            Reading(
                total_milli=signal.target_milli * (1 if signal.target_type is TargetType.VALUE else replicas),
                reporting=replicas if signal.source is Source.PODS else 0,
                band_ratio=0.7,
            )
            for signal in policy.signals
        ),
    )
    memory = replace(data.draw(strategies.memories(policy, observation)), expected=replicas, serving=replicas, capacities=())

    decision, after = pipeline.decide(policy, observation, memory)

    assert (decision.replicas, decision.serving) == (replicas, replicas)
    assert (after.ups, after.downs) == (memory.ups, memory.downs)


@pytest.mark.parametrize("rule", DownRule)
def test_hours_at_rest_cost_a_span_and_no_change(rule: DownRule) -> None:
    life = loop.Loop(policy=replace(loop.AUTO, scale_down=ScaleDown(rule=rule)), replicas=3, serving=3)

    decisions = life.run([2.8] * 720)  # 3 h

    assert loop.changes(decisions) == [3]
    assert len(life.memory.asked) == 1
    assert life.memory.ups == life.memory.downs == ()
    assert life.memory == replace(Memory(), **{name: getattr(life.memory, name) for name in _LIVING})


_LIVING = ("asked", "expected", "serving", "worked_at", "trusting")
