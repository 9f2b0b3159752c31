"""A controller that dies at any tick, and whose successor has only what was written down, decides as if nothing had happened."""

import random
from dataclasses import replace

import pytest

from autoscaler.decision import memory as remembering
from autoscaler.decision import pipeline
from autoscaler.decision.model import DownRule, Idle, Memory, MissingBehavior, Observation, OnMissing, Policy, ScaleDown, WarmPool
from tests.autoscaler.decision import loop

TICKS = 1000
AFTERWARDS = 80  # ticks that are looked at after a crash: 20 minutes, four windows

POLICIES = {
    "defaults": loop.AUTO,
    "pool, rest and zero": replace(
        loop.AUTO,
        min_replicas=0,
        warm_pool=WarmPool(min=1, max=2),
        idle=Idle(after_s=300.0, zero_after_s=600.0),
        on_missing=OnMissing(behavior=MissingBehavior.CURRENT_IF_HIGHER, replicas=2),
    ),
    "as the HPA": replace(loop.AUTO, scale_down=ScaleDown(rule=DownRule.TARGET, cooldown_s=0.0), urgent_ratio=None),
}


def loads(seed: int) -> list[float | None]:
    """Return a load that grows, falls, jumps, rests for long enough for zero, and cannot be read at times."""
    chance = random.Random(seed)
    found: list[float | None] = []
    while len(found) < TICKS + AFTERWARDS + 1:
        level = chance.choice([0.0, 0.0, 0.4, 1.0, 2.3, 4.8, 7.5, None])
        ticks = chance.randint(2, 6) if level is None else chance.randint(4, 60)
        found += [level if level is None else level * chance.uniform(0.9, 1.1) for _ in range(ticks)]
    return found[: TICKS + AFTERWARDS + 1]


class Recorded(loop.Loop):
    """Writes its memory down where the controller does: before it acts, and only when something durable changed."""

    def __init__(self, policy: Policy) -> None:
        super().__init__(policy=policy)
        self.stored = self.memory
        self.states: list[tuple[Memory, Memory, Memory, int, int, float, list[float], Observation]] = []

    def step(self, load: float | None) -> None:
        observation = self.observe(load)
        _, after = pipeline.decide(self.policy, observation, self.memory)
        earlier = self.stored
        if remembering.durable(after) != remembering.durable(self.stored):
            self.stored = after
        self.states.append((earlier, self.stored, after, self.replicas, self.serving, self.now, list(self.ready_at), observation))
        self.tick(load)


def resumed(life: Recorded, tick: int, memory: Memory, *, at: float, acted: bool) -> loop.Loop:
    """Return the world after *tick*, in which a successor goes on with *memory* restored at the time *at*."""
    *_, replicas, serving, now, ready_at, _ = life.states[tick]
    decision = life.records[tick].decision
    world = loop.Loop(policy=life.policy, replicas=replicas, serving=serving, now=now)
    world.ready_at = ready_at.copy()
    if acted and decision.act:
        world.scale(decision.replicas)
        world.serving = decision.serving
    world.now = now + loop.TICK_S
    world.memory = remembering.restore(memory, now=at, replicas=world.replicas)
    return world


def first_difference(life: Recorded, tick: int, world: loop.Loop, history: list[float | None]) -> tuple[int, int] | None:
    """Return the first pair of numbers that differ after *tick*, of the life as it was and of *world*; None: they are the same."""
    for later in range(tick + 1, tick + 1 + AFTERWARDS):
        there = world.tick(history[later])
        here = life.records[later]
        if there.replicas != here.decision.replicas:
            return here.decision.replicas, there.replicas
        # What is learned of saturation may lose five minutes; it decides nothing within the time that is looked at.
        if replace(world.memory, trusting=()) == replace(here.after, trusting=()) and world.ready_at == life.states[later + 1][6]:
            return None  # and so for ever: what decides is the same
    return None


@pytest.mark.parametrize("name", POLICIES)
def test_a_crash_at_any_tick_changes_nothing_or_delays_a_scale_down(name: str) -> None:
    history = loads(7)
    life = Recorded(POLICIES[name])
    for load in history:
        life.step(load)
    assert len(loop.changes([record.decision for record in life.records])) > 30  # or there is nothing to change

    late = 0
    for tick in range(TICKS):
        world = resumed(life, tick, life.states[tick][1], at=life.states[tick][5], acted=True)
        difference = first_difference(life, tick, world, history)
        if difference is not None:
            here, there = difference
            assert there > here, (tick, life.records[tick].decision.trail)  # it stays up where the other goes down
            late += 1

    assert late <= TICKS // 10  # and that is the exception


@pytest.mark.parametrize("name", POLICIES)
def test_a_crash_between_writing_down_and_acting_loses_a_tick_at_most(name: str) -> None:
    history = loads(11)
    life = Recorded(POLICIES[name])
    for load in history:
        life.step(load)

    for tick in range(TICKS):
        decision = life.records[tick].decision
        if decision.replicas == decision.current:
            continue
        world = resumed(life, tick, life.states[tick][1], at=life.states[tick][5], acted=False)
        alive = replace(world, memory=life.records[tick].before, records=[])
        after, without = world.tick(history[tick]), alive.tick(history[tick])

        # The same load is seen a tick later, by other pods maybe: what was to come comes now, as it would have without the crash,
        # and nothing that was to stay goes.
        assert after.replicas >= min(without.replicas, decision.current), (tick, decision.trail, after.trail)
        if decision.replicas > decision.current:
            assert after.replicas >= min(without.replicas, decision.replicas), (tick, decision.trail, after.trail)


@pytest.mark.parametrize("down_s", [15.0, 60.0])
def test_a_successor_that_comes_late_raises_the_later_by_as_much_and_lowers_nothing_sooner(down_s: float) -> None:
    # Seven replicas' worth are asked for after a long rest, and the controller dies at once.
    life = Recorded(replace(loop.AUTO, urgent_ratio=None))
    for load in [0.9] * 20:
        life.step(load)
    world = resumed(life, 19, life.states[19][1], at=life.now - loop.TICK_S + down_s, acted=True)
    world.now = life.now - loop.TICK_S + down_s

    rose = next(tick for tick in range(40) if world.tick(7.0).replicas > 1)

    # Without the crash: asked for from +15 s on, and up once 1 was asked for 60 s ago, at +60 s.
    assert world.records[rose].observation.now == life.now - loop.TICK_S + down_s + 60.0
