"""Leading by a Lease: somebody does soon, never two, whatever the network, the clocks and people's hands do."""

import asyncio
import random
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from itertools import count

import pytest

from autoscaler.leadership import Leadership, Timing
from tests.autoscaler.inmemory import GOOD, Client, Trip, World

# Nothing here does real I/O, for which the loop would be turned in vain 42 times before each step of its time.
pytestmark = pytest.mark.looptime(noop_cycles=2)

LEASE = "/apis/coordination.k8s.io/v1/namespaces/leadtime/leases/leadtime-autoscaler"


@dataclass
class Replica:
    """A candidate that writes down when it worked, and notices anybody who works beside it."""

    name: str
    client: Client
    stage: "Stage"
    clock: Callable[[], float] = lambda: 1_000_000.0 + asyncio.get_running_loop().time()
    jitter: Callable[[], float] = lambda: 0.5
    cleanup_s: float = 0.0
    leadership: Leadership = field(init=False)
    began: list[float] = field(default_factory=list)
    ended: list[float] = field(default_factory=list)
    task: asyncio.Task[None] | None = None

    def __post_init__(self) -> None:
        self.leadership = Leadership(
            self.client, "leadtime", "leadtime-autoscaler", self.name, clock=self.clock, jitter=self.jitter
        )

    async def lead(self) -> None:
        loop = asyncio.get_running_loop()
        assert not self.stage.working, f"{self.name} begins beside {self.stage.working}"
        self.stage.working.add(self.name)
        self.began.append(loop.time())
        try:
            while True:
                if self.leadership.holds():
                    holders = [each.name for each in self.stage.replicas if each.leadership.holds()]
                    assert holders == [self.name]
                await asyncio.sleep(0.5)
        finally:
            if self.cleanup_s:
                await asyncio.sleep(self.cleanup_s)
            self.ended.append(loop.time())
            self.stage.working.discard(self.name)

    def start(self) -> None:
        self.task = asyncio.create_task(self.leadership.run(self.lead), name=self.name)

    async def stop(self) -> None:
        if self.task is not None:
            self.task.cancel()
            with suppress(asyncio.CancelledError):
                await self.task


@dataclass
class Stage:
    world: World = field(default_factory=World)
    replicas: list[Replica] = field(default_factory=list)
    working: set[str] = field(default_factory=set)

    def replica(self, name: str, **options: object) -> Replica:
        made = Replica(name, self.world.client(), self, **options)  # type: ignore[arg-type]
        self.replicas.append(made)
        return made


@pytest.fixture
async def stage() -> AsyncIterator[Stage]:
    made = Stage()
    yield made
    # The loop's time is the real one again: nothing is waited for, and nothing of this is part of a test.
    tasks = [replica.task for replica in made.replicas if replica.task is not None]
    for replica in made.replicas:
        replica.cleanup_s, replica.client.cut, replica.client.trip = 0.0, False, lambda: GOOD
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


async def until(holds: Callable[[], object], within_s: float) -> float:
    """Return how many seconds of the loop's time it took until *holds*."""
    loop = asyncio.get_running_loop()
    began = loop.time()
    while not holds():
        assert loop.time() - began <= within_s, f"not within {within_s} s"
        await asyncio.sleep(0.1)
    return loop.time() - began


@asynccontextmanager
async def two(stage: Stage) -> AsyncIterator[tuple[Replica, Replica]]:
    """Yield a leader of some seconds' standing and a standby."""
    first, second = stage.replica("first"), stage.replica("second")
    first.start()
    await asyncio.sleep(1)
    second.start()
    await asyncio.sleep(7)
    assert stage.working == {"first"}
    yield first, second


async def test_the_first_candidate_leads_at_once_and_writes_down_that_it_does(stage: Stage) -> None:
    only = stage.replica("only")

    only.start()
    took_s = await until(only.leadership.holds, 1)

    spec = stage.world.get(LEASE)["spec"]
    assert took_s <= 0.1
    assert stage.working == {"only"}
    assert (spec["holderIdentity"], spec["leaseDurationSeconds"], spec["leaseTransitions"]) == ("only", 15, 0)
    assert spec["acquireTime"] == spec["renewTime"] == "1970-01-12T13:46:40.000000Z"


async def test_a_leader_stays_and_a_standby_knows_who_it_is(stage: Stage) -> None:
    async with two(stage) as (first, second):
        await asyncio.sleep(300)

    assert first.leadership.holds()
    assert not second.leadership.holds()
    assert second.leadership.leader == "first"
    assert len(first.began) == 1
    assert first.leadership.transitions == 0


async def test_a_standby_takes_over_from_a_dead_leader_within_twenty_seconds(stage: Stage) -> None:
    async with two(stage) as (first, second):
        first.client.cut = True

        took_s = await until(second.leadership.holds, 20)

    # It waits for the 15 s of the lease, counted from when it last saw a renewal; the dead one gave up after 10 s.
    assert 13 <= took_s < 18
    assert first.ended
    assert first.ended[0] < second.began[0] - 3
    assert second.leadership.transitions == 1


async def test_a_standby_takes_a_released_lease_within_three_seconds(stage: Stage) -> None:
    async with two(stage) as (first, second):
        await first.stop()

        took_s = await until(second.leadership.holds, 3)

    assert took_s <= 2.5  # one retry of 2 s, and the jitter's 0.2 s
    assert first.ended[0] <= second.began[0]
    assert second.leadership.transitions == 1


async def test_a_stopped_leader_holds_the_lease_until_its_work_is_put_down(stage: Stage) -> None:
    first, second = stage.replica("first", cleanup_s=20.0), stage.replica("second")
    first.start()
    await asyncio.sleep(1)
    second.start()
    await asyncio.sleep(5)
    assert first.task is not None

    first.task.cancel()
    await asyncio.sleep(19)
    during = first.leadership.holds(), second.leadership.holds()
    await until(second.leadership.holds, 4)

    assert during == (True, False)  # it renews all the while
    assert first.ended[0] <= second.began[0]


async def test_a_lease_that_is_taken_away_by_hand_stops_the_leader_at_its_next_look(stage: Stage) -> None:
    async with two(stage) as (first, second):
        stage.world.patch(LEASE, {"spec": {"holderIdentity": "somebody"}})

        took_s = await until(lambda: not first.leadership.holds(), 3)
        assert not stage.working
        await asyncio.sleep(12)
        early = first.leadership.holds() or second.leadership.holds()
        await until(lambda: len(stage.working) == 1, 6)

    assert took_s <= 2.1
    assert not early  # whoever it is has the whole lease to show up


async def test_a_lease_that_is_given_to_the_standby_by_hand_is_not_taken_for_its_own(stage: Stage) -> None:
    async with two(stage) as (first, second):
        stage.world.patch(LEASE, {"spec": {"holderIdentity": "second"}})

        await asyncio.sleep(2.1)
        at_once = second.leadership.holds()
        await until(lambda: len(stage.working) == 1, 20)

    assert not at_once
    assert first.ended


@pytest.mark.parametrize(
    "change", [{"holderIdentity": None}, {"leaseDurationSeconds": 1}, {"renewTime": "2001-01-01T00:00:00.000000Z"}]
)
async def test_what_is_done_to_a_lease_by_hand_never_makes_two_leaders(stage: Stage, change: dict[str, object]) -> None:
    async with two(stage):
        for _ in range(40):
            stage.world.patch(LEASE, {"spec": change})
            await asyncio.sleep(7.3)  # at another point of the renewals each time; the replicas check who works beside them
        await until(lambda: len(stage.working) == 1, 20)
        for each in stage.replicas:
            assert each.task is not None
            assert not each.task.done()  # whoever notices somebody beside it ends


async def test_work_begins_anew_when_the_lease_was_released_in_our_stead(stage: Stage) -> None:
    only = stage.replica("only")
    only.start()
    await asyncio.sleep(1)

    stage.world.patch(LEASE, {"spec": {"holderIdentity": None, "leaseDurationSeconds": 1}})
    await asyncio.sleep(10)

    # Somebody else may have led in between: what the work remembers is no longer to be trusted.
    assert len(only.began) == 2
    assert only.leadership.holds()


async def test_a_deleted_lease_stops_the_leader_and_is_free_after_its_time(stage: Stage) -> None:
    async with two(stage) as (first, second):
        stage.world.delete(LEASE)

        await until(lambda: not first.leadership.holds(), 2.5)
        await asyncio.sleep(10)
        early = first.leadership.holds() or second.leadership.holds()
        await until(lambda: len(stage.working) == 1, 8)

    assert not early


async def test_a_process_does_not_take_the_lease_of_one_with_its_name_for_its_own(stage: Stage) -> None:
    async with two(stage) as (first, second):
        await second.stop()
        first.client.cut = True
        again = stage.replica("first")
        again.start()

        took_s = await until(again.leadership.holds, 20)

    assert took_s >= 14
    assert first.ended[0] < again.began[0]


async def test_wall_clocks_may_jump(stage: Stage) -> None:
    seconds = count(0.0, 86_400.0 * 365)
    backwards = count(4e9, -3600.0)
    first = stage.replica("first", clock=lambda: next(seconds))
    second = stage.replica("second", clock=lambda: next(backwards))

    first.start()
    await asyncio.sleep(1)
    second.start()
    await asyncio.sleep(100)

    assert first.leadership.holds()
    assert not second.began


async def test_a_leader_that_the_api_server_leaves_alone_stops_in_time_and_leads_again_after(stage: Stage) -> None:
    only = stage.replica("only")
    only.start()
    await asyncio.sleep(5)

    only.client.cut = True
    stopped_s = await until(lambda: not stage.working, 11)
    await asyncio.sleep(300)
    only.client.cut = False
    resumed_s = await until(only.leadership.holds, 6)

    assert 8 <= stopped_s <= 10.1
    assert resumed_s <= 5.5
    assert len(only.began) == 2


async def test_a_few_failed_renewals_are_nothing(stage: Stage) -> None:
    only = stage.replica("only")
    lost = Trip(answer_lost=True)
    trips = iter([GOOD, GOOD, Trip(refused=500), Trip(refused=429), Trip(refused=-1), GOOD, GOOD, GOOD, lost, lost, GOOD, lost])
    only.client.trip = lambda: next(trips, GOOD)

    only.start()
    await asyncio.sleep(60)

    assert only.leadership.holds()
    assert len(only.began) == 1


async def test_a_lease_whose_answer_was_lost_is_recognised(stage: Stage) -> None:
    only = stage.replica("only")
    trips = iter([GOOD, Trip(answer_lost=True)])
    only.client.trip = lambda: next(trips, GOOD)

    only.start()
    took_s = await until(only.leadership.holds, 3)

    assert took_s <= 2.5  # not after the 15 s for which a stranger's would be respected


async def test_work_that_ends_by_itself_ends_the_run_and_releases_the_lease(stage: Stage) -> None:
    only = stage.replica("only")

    async def work() -> None:
        await asyncio.sleep(3)

    await only.leadership.run(work)

    assert "holderIdentity" not in stage.world.get(LEASE)["spec"]
    assert not only.leadership.holds()


async def test_what_the_work_raises_is_raised_and_the_lease_is_released(stage: Stage) -> None:
    only = stage.replica("only")

    async def work() -> None:
        raise LookupError("our bug")

    with pytest.raises(LookupError, match="our bug"):
        await only.leadership.run(work)

    assert "holderIdentity" not in stage.world.get(LEASE)["spec"]


async def test_a_release_that_does_not_come_through_holds_nothing_up(stage: Stage) -> None:
    only = stage.replica("only")
    only.start()
    await asyncio.sleep(1)
    only.client.cut = True
    began = asyncio.get_running_loop().time()

    await only.stop()

    assert asyncio.get_running_loop().time() - began <= 2.1


async def test_what_others_wrote_on_the_lease_stays(stage: Stage) -> None:
    only = stage.replica("only")
    only.start()
    await asyncio.sleep(1)

    stage.world.patch(LEASE, {"metadata": {"labels": {"team": "a"}}, "spec": {"strategy": "OldestEmulationVersion"}})
    await asyncio.sleep(10)
    await only.stop()

    found = stage.world.get(LEASE)
    assert found["metadata"]["labels"]["team"] == "a"
    assert found["spec"]["strategy"] == "OldestEmulationVersion"
    assert len(only.began) == 1


@pytest.mark.parametrize(("lease_s", "deadline_s", "retry_s", "request_s"), [(10, 10, 2, 3), (15, 7, 2, 3), (15, 10, 5, 3)])
def test_timing_that_leaves_no_room_is_refused(lease_s: int, deadline_s: float, retry_s: float, request_s: float) -> None:
    with pytest.raises(ValueError, match="a lease is longer than its deadline"):
        Timing(lease_s=lease_s, renew_deadline_s=deadline_s, retry_s=retry_s, request_s=request_s)


def between(rng: random.Random, low_s: float, high_s: float) -> float:
    """Return a duration in whole milliseconds, which the loop's time steps over at once."""
    return round(rng.uniform(low_s, high_s), 3)


def misfortunes(rng: random.Random) -> Iterator[Trip]:
    """Yield what happens to each request: mostly little, at times anything, and late."""
    while True:
        chance = rng.random()
        if chance < 0.55:
            yield Trip(there_s=between(rng, 0, 0.3), back_s=between(rng, 0, 0.3))
        elif chance < 0.70:
            yield Trip(refused=rng.choice([-1, 409, 429, 500, 503]))
        elif chance < 0.85:
            yield Trip(there_s=between(rng, 0, 14), back_s=between(rng, 0, 3))  # carried out long after its sender gave up
        else:
            yield Trip(answer_lost=True)


@pytest.mark.parametrize("seed", range(16))
async def test_never_two_at_once_whatever_happens_to_requests(stage: Stage, seed: int) -> None:
    rng = random.Random(seed)
    for name in ("a", "b", "c"):
        replica = stage.replica(
            name, jitter=lambda: between(rng, 0, 1), cleanup_s=between(rng, 0, 4), clock=lambda: rng.uniform(0, 2e9)
        )
        replica.client.trip = misfortunes(rng).__next__
        replica.start()

    for _ in range(40):
        await asyncio.sleep(between(rng, 1, 20))
        replica = rng.choice(stage.replicas)
        happening = rng.random()
        if happening < 0.3:
            replica.client.cut = not replica.client.cut
        elif happening < 0.5:
            await replica.stop()
            replica.start()
        for each in stage.replicas:  # an overlap would have ended its task with what it noticed
            assert each.task is not None
            assert not each.task.done()

    for each in stage.replicas:
        await each.stop()
    assert sum(len(each.began) for each in stage.replicas) >= 3
