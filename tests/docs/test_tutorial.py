"""`docs/tutorial.md` says what its reader will see: its scaler and its load, decided on by the controller's own code."""

import itertools
from dataclasses import dataclass, field, replace

import pytest

from autoscaler.cli import manifests
from autoscaler.decision import pipeline
from autoscaler.decision.model import Memory, Mode, Observation, Pods, Policy, Reading, Record, Rule
from tests.docs import objects, pages

PAGE = pages.page("docs/tutorial.md")
(SCALER,) = [objects.documents(block)[0] for block in PAGE.blocks if block.title == "scaler.yaml"]
POLICY = manifests.scaler(SCALER).policy
#: What `docs/tutorial/simulated-engine.yaml` and `load.yaml` say.
LOADING_S = 40.0
USERS = 12
TICK_S = 5.0


@dataclass
class Target:
    """The tutorial's Deployment: it starts with one pod, and does what is decided where the mode is Auto."""

    policy: Policy = POLICY
    users: int = USERS
    now: float = 1_800_000_000.0
    memory: Memory = field(default_factory=Memory)
    ready_at: list[float] = field(default_factory=list)
    seen: list[Record] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.ready_at = [self.now - 600.0]

    def run(self, seconds: float) -> Record:
        """Decide for so long, and return the last decision."""
        end = self.now + seconds
        while self.now <= end:
            self._decide()
            self.now += TICK_S
        return self.seen[-1]

    def _decide(self) -> None:
        ready = sum(at <= self.now for at in self.ready_at)
        count = len(self.ready_at)
        reading = Reading(total_milli=1000 * self.users, reporting=ready, missing=count - ready, at=self.now - 2.0)
        seen = Observation(
            now=self.now,
            replicas=count,
            status_replicas=count,
            pods=Pods(ready=ready, loading=count - ready),
            readings=(reading,),
            startup_p90_s=LOADING_S + 4.0,
        )
        decision, after = pipeline.decide(self.policy, seen, self.memory)
        self.seen.append(
            Record(target="tutorial", policy=self.policy, observation=seen, before=self.memory, decision=decision, after=after)
        )
        self.memory = after
        if decision.act:
            self.ready_at = sorted(self.ready_at)[: decision.replicas]
            self.ready_at += [self.now + LOADING_S] * (decision.replicas - count)

    @property
    def replicas(self) -> int:
        """Return how many there are."""
        return len(self.ready_at)


@pytest.fixture
def acting() -> Target:
    """Return the target in mode Auto, at rest under the first twelve users."""
    found = Target(policy=replace(POLICY, mode=Mode.AUTO))
    found.run(300.0)
    return found


def test_it_recommends_two_when_a_minute_has_asked_for_them_and_changes_nothing() -> None:
    target = Target()

    before, after = target.run(50.0).decision, target.run(30.0).decision

    assert (before.replicas, after.replicas, target.replicas) == (1, 2, 1)
    assert after.demand == 1.5
    assert not after.act


def test_in_mode_auto_there_are_two(acting: Target) -> None:
    assert acting.replicas == 2


def test_twenty_four_in_flight_are_three_replicas_worth(acting: Target) -> None:
    acting.users = 24

    decision = acting.run(200.0).decision

    assert decision.demand == 3.0
    assert acting.replicas == 3


def test_without_users_it_stays_for_five_minutes_and_goes_to_one_a_pod_or_half_in_two_minutes(acting: Target) -> None:
    acting.users = 24
    acting.run(600.0)
    acting.users = 0
    begun, at_first = acting.now, acting.replicas

    held = acting.run(280.0).decision
    acting.run(600.0)

    changes = [
        one.observation.now - begun
        for one in acting.seen
        if one.observation.now > begun and one.decision.act and one.decision.replicas < one.decision.current
    ]
    assert (at_first, held.replicas, acting.replicas) == (3, 3, 1)
    assert held.reason in (Rule.DOWN_WINDOW, Rule.COOLDOWN)
    assert changes[0] >= 300.0 - TICK_S
    assert all(later - earlier >= 120.0 for earlier, later in itertools.pairwise(changes))


@pytest.mark.parametrize(
    "sentence",
    [
        f"each pod of `load` keeps {'twelve' if USERS == 12 else USERS} requests under way",
        f"It takes {LOADING_S:g} s to start",
        "With the simulated engine and twelve users eight requests run and four wait",
        "Twelve in flight are the load of 1.5 replicas, so DESIRED is 2 when that has been asked for throughout a minute",
        "Twenty-four in flight are three replicas' worth",
        "at most one pod or half of them in two minutes, to one",
    ],
)
def test_the_page_says_so(sentence: str) -> None:
    assert sentence in " ".join(PAGE.text.split())


def test_the_engine_and_the_users_are_as_the_page_says() -> None:
    engine, load = ((pages.DOCS / "tutorial" / name).read_text(encoding="utf-8") for name in ("simulated-engine.yaml", "load.yaml"))

    assert f'"LOAD_SECONDS", "{LOADING_S:g}"' in engine
    assert 'get("PLACES", "8")' in engine
    assert 'get("ANSWER_SECONDS", "2")' in engine
    assert f'"USERS", "{USERS}"' in load
