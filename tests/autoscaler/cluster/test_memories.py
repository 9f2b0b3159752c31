"""What is remembered outlives the process: written ahead where it must be, and never at the cost of what others wrote."""

import asyncio
import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapter.errors import ApiServerError
from autoscaler.cluster import memories
from autoscaler.cluster.memories import Memories, StorageError, Stored
from autoscaler.decision.model import Bin, Capacity, Change, Memory, Span, Trusting
from autoscaler.decision.startup import Learned, Start
from autoscaler.resource.scaler import Key
from tests.autoscaler.inmemory import GOOD, Client, Trip, World

pytestmark = pytest.mark.looptime

CONFIG_MAPS = "/api/v1/namespaces/leadtime/configmaps"
QWEN = Key("llm", "qwen")
LLAMA = Key("llm", "llama.v3")

finite = st.floats(0, 1e10)
changes = st.lists(st.builds(Change, finite, st.integers(-9, 9)), max_size=3).map(tuple)
bins = st.lists(st.builds(Bin, finite, finite), max_size=3).map(tuple)
memory_values = st.builds(
    Memory,
    asked=st.lists(st.builds(Span, st.integers(0, 9), finite, finite), max_size=3).map(tuple),
    ups=changes,
    downs=changes,
    expected=st.none() | st.integers(0, 9),
    serving=st.none() | st.integers(0, 9),
    up_at=st.none() | finite,
    down_at=st.none() | finite,
    worked_at=st.none() | finite,
    woke_at=st.none() | finite,
    zeroed=st.booleans(),
    lost_at=st.none() | finite,
    no_down_before=st.none() | finite,
    lift_at=st.none() | finite,
    lift_from=st.none() | st.integers(0, 9),
    yield_until=st.none() | finite,
    writer=st.text(max_size=5),
    gpus_per_replica=st.none() | st.integers(0, 9),
    trusting=st.lists(
        st.tuples(
            st.text(max_size=5),
            st.builds(Trusting, bins=bins, open_since=st.none() | finite, open_load=finite, saturated=st.booleans()),
        ),
        max_size=2,
    ).map(tuple),
    capacities=st.lists(
        st.tuples(st.text(max_size=5), st.builds(Capacity, per_replica=st.none() | finite, samples=st.integers(0, 9))), max_size=2
    ).map(tuple),
)
seconds = st.none() | finite
learned = st.builds(
    Learned,
    starts=st.lists(st.builds(Start, finite, finite, seconds, seconds, seconds), max_size=3).map(tuple),
    uids=st.lists(st.text(max_size=5), max_size=3).map(tuple),
)


@given(st.builds(Stored, memory=memory_values, startup=learned))
def test_what_is_decoded_is_what_was_encoded(stored: Stored) -> None:
    assert memories.decode(memories.encode(stored)) == stored


def test_what_a_controller_wrote_that_remembered_less_is_read() -> None:
    assert memories.decode('{"version":1,"memory":{"expected":2,"zeroed":false}}').memory == Memory(expected=2)


def test_an_entry_says_nothing_that_goes_without_saying() -> None:
    entry = memories.encode(Stored(memory=Memory(expected=0, serving=0)))

    assert json.loads(entry) == {"version": 1, "memory": {"expected": 0, "serving": 0, "zeroed": False}, "startup": {}}


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "cannot be read"),
        ("not JSON", "cannot be read"),
        ("[]", "cannot be read"),
        ('{"version": 1, "memory": {"expected": "two"}}', r"Expected `int \| null`, got `str` - at `\$\.memory\.expected`"),
        ('{"version": 1, "memory": {"asked": [[1, 2]]}}', "cannot be read"),
        ('{"version": 2, "memory": {}}', "is of version 2, and this controller reads version 1"),
        ("{}", "is of version 0"),
    ],
)
def test_what_somebody_has_made_something_else_is_refused_with_the_place(text: str, words: str) -> None:
    with pytest.raises(StorageError, match=words):
        memories.decode(text)


def test_an_entry_has_a_name_that_a_config_map_takes() -> None:
    long = Key("n" * 63, "s" * 253)

    assert memories.entry_name(Key("llm", "llama.v3")) == "llm.llama.v3"
    assert len(memories.entry_name(long)) <= 253
    assert memories.entry_name(long) != memories.entry_name(Key("n" * 63, "s" * 252 + "t"))


def remembered(replicas: int) -> Stored:
    return Stored(memory=Memory(expected=replicas, serving=replicas))


def replicas_of(stored: Stored | None) -> int | None:
    return stored.memory.expected if stored is not None else None


@pytest.fixture
def world() -> World:
    return World()


def of(client: Client, **options: Any) -> Memories:
    return Memories(client, "leadtime", **{"shards": 4, **options})


async def loaded(world: World, **options: Any) -> Memories:
    made = of(world.client(), **options)
    await made.load()
    return made


def shard_of(world: World, key: Key) -> str:
    """Return the path of the ConfigMap that holds *key*."""
    for number in range(64):
        path = f"{CONFIG_MAPS}/leadtime-memory-{number}"
        try:
            data = world.get(path).get("data") or {}
        except Exception:  # noqa: BLE001, S112 - whatever it is, the entry is not there
            continue
        if memories.entry_name(key) in data:
            return path
    raise LookupError(str(key))


def writes(world: World) -> int:
    return sum(asked.method != "GET" for asked in world.asked)


async def test_nothing_is_remembered_of_a_cluster_that_is_new(world: World) -> None:
    made = await loaded(world)

    assert made.get(QWEN) is None
    assert made.problems == {}
    assert writes(world) == 0


async def test_what_was_flushed_is_there_for_the_next_leader(world: World) -> None:
    first = await loaded(world)
    first.put(QWEN, remembered(3))
    first.put(LLAMA, remembered(5))

    assert await first.flush() == ()

    second = await loaded(world)
    assert (replicas_of(second.get(QWEN)), replicas_of(second.get(LLAMA))) == (3, 5)
    assert world.get(shard_of(world, QWEN))["metadata"]["labels"] == {
        "app.kubernetes.io/name": "leadtime-autoscaler",
        "app.kubernetes.io/component": "memory",
    }


async def test_a_write_ahead_is_written_when_it_returns(world: World) -> None:
    made = await loaded(world)
    made.put(QWEN, remembered(3))

    await made.save_now(QWEN)

    assert replicas_of((await loaded(world)).get(QWEN)) == 3


async def test_whoever_writes_ahead_at_the_same_time_shares_a_write(world: World) -> None:
    client = world.client(lambda: Trip(there_s=1.0))
    made = of(client, shards=1)
    await made.load()
    keys = [Key("llm", f"m{number}") for number in range(30)]

    async def act(key: Key) -> None:
        made.put(key, remembered(1))
        await made.save_now(key)

    await asyncio.gather(*(act(key) for key in keys))

    # The first begins the first write, alone or not; all the others come while it is under way, or are in it.
    assert writes(world) <= 2
    again = await loaded(world, shards=1)
    assert all(replicas_of(again.get(key)) == 1 for key in keys)


async def test_who_writes_ahead_soon_after_another_waits_for_those_who_come_meanwhile(world: World) -> None:
    made = of(world.client(), shards=1)
    await made.load()

    async def act(number: int) -> float:
        await asyncio.sleep(0.01 * number)
        made.put(Key("llm", f"m{number}"), remembered(1))
        await made.save_now(Key("llm", f"m{number}"))
        return asyncio.get_running_loop().time()

    done = await asyncio.gather(*(act(number) for number in range(30)))

    assert done[0] == 0.0  # one alone does not wait
    assert set(done[1:]) == {0.5}
    assert writes(world) == 2


async def test_a_failed_write_fails_everybody_who_waited_for_it_at_once_and_is_made_up_for(world: World) -> None:
    client = world.client()
    made = of(client, shards=1)
    await made.load()
    keys = [Key("llm", f"m{number}") for number in range(20)]
    client.cut = True
    began = asyncio.get_running_loop().time()

    async def act(key: Key) -> None:
        made.put(key, remembered(1))
        await made.save_now(key)

    results = await asyncio.gather(*(act(key) for key in keys), return_exceptions=True)

    assert all(isinstance(result, ApiServerError) for result in results)
    assert asyncio.get_running_loop().time() - began <= 10.5  # two time-outs of 5 s, not twenty
    client.cut = False
    assert await made.flush() == ()
    assert replicas_of((await loaded(world, shards=1)).get(keys[-1])) == 1


async def test_what_has_not_changed_is_not_written(world: World) -> None:
    made = await loaded(world)
    made.put(QWEN, remembered(3))
    await made.flush()
    before = writes(world)

    made.put(QWEN, remembered(3))
    await made.save_now(QWEN)

    assert writes(world) == before


async def test_only_what_has_changed_is_sent(world: World) -> None:
    made = await loaded(world, shards=1)
    made.put(QWEN, remembered(3))
    made.put(LLAMA, remembered(5))
    await made.flush()

    made.put(QWEN, remembered(4))
    await made.flush()

    last = world.asked[-1]
    assert last.method == "PATCH"
    assert set(last.body["data"]) == {"llm.qwen"}
    assert last.query == {"fieldManager": "leadtime"}


async def test_changes_are_collected_for_a_second(world: World) -> None:
    made = await loaded(world, shards=1)
    running = asyncio.create_task(made.run())

    for replicas in range(10):
        made.put(QWEN, remembered(replicas))
        await asyncio.sleep(0.05)
    await asyncio.sleep(1)
    running.cancel()

    assert writes(world) == 1
    assert replicas_of((await loaded(world, shards=1)).get(QWEN)) == 9


async def test_while_nothing_can_be_written_it_is_tried_less_often_and_nothing_is_lost(world: World) -> None:
    client = world.client()
    made = of(client, shards=1)
    await made.load()
    tries = 0

    def trip() -> Trip:
        nonlocal tries
        tries += 1
        return Trip(refused=500)

    client.trip = trip
    made.put(QWEN, remembered(3))
    running = asyncio.create_task(made.run())
    await asyncio.sleep(300)
    client.trip = lambda: GOOD
    await asyncio.sleep(31)
    running.cancel()

    # After 1, 2, 4, 8, 16 and then every 30 s: 5 + (300 − 31) / 30 = 13 or 14.
    assert 12 <= tries <= 15
    assert replicas_of((await loaded(world, shards=1)).get(QWEN)) == 3


async def test_what_somebody_else_wrote_beside_ours_stays(world: World) -> None:
    made = await loaded(world, shards=1)
    made.put(QWEN, remembered(3))
    made.put(LLAMA, remembered(5))
    await made.flush()
    path = shard_of(world, QWEN)
    world.patch(path, {"data": {"note": "by hand", "llm.llama.v3": memories.encode(remembered(1))}})

    made.put(QWEN, remembered(4))
    await made.save_now(QWEN)

    data = world.get(path)["data"]
    assert data["note"] == "by hand"
    assert replicas_of(memories.decode(data["llm.llama.v3"])) == 1
    assert replicas_of(memories.decode(data["llm.qwen"])) == 4


async def test_a_config_map_that_somebody_deleted_is_made_again_with_everything(world: World) -> None:
    made = await loaded(world, shards=1)
    made.put(QWEN, remembered(3))
    made.put(LLAMA, remembered(5))
    await made.flush()
    world.delete(shard_of(world, QWEN))

    made.put(QWEN, remembered(4))
    await made.save_now(QWEN)

    again = await loaded(world, shards=1)
    assert (replicas_of(again.get(QWEN)), replicas_of(again.get(LLAMA))) == (4, 5)


async def test_a_config_map_that_somebody_else_made_first_is_taken_over(world: World) -> None:
    made = await loaded(world, shards=1)
    world.create(CONFIG_MAPS, {"metadata": {"name": "leadtime-memory-0"}, "data": {"note": "by hand"}})

    made.put(QWEN, remembered(3))
    await made.save_now(QWEN)

    assert set(world.get(shard_of(world, QWEN))["data"]) == {"note", "llm.qwen"}


async def test_a_corrupted_entry_is_reported_and_absent_and_its_neighbours_are_good(world: World) -> None:
    first = await loaded(world, shards=1)
    first.put(QWEN, remembered(3))
    first.put(LLAMA, remembered(5))
    await first.flush()
    world.patch(shard_of(world, QWEN), {"data": {"llm.qwen": '{"version": 1, "memory": {"expected": "all"}}'}})

    second = await loaded(world, shards=1)

    assert second.get(QWEN) is None
    assert replicas_of(second.get(LLAMA)) == 5
    assert list(second.problems) == ["llm.qwen"]
    assert "$.memory.expected" in second.problems["llm.qwen"]


async def test_a_corrupted_entry_is_mended_by_the_next_write(world: World) -> None:
    world.create(CONFIG_MAPS, {"metadata": {"name": "leadtime-memory-0"}, "data": {"llm.qwen": "{"}})
    made = await loaded(world, shards=1)

    made.put(QWEN, remembered(3))
    await made.save_now(QWEN)

    assert made.problems == {}
    assert replicas_of((await loaded(world, shards=1)).get(QWEN)) == 3


async def test_removed_scalers_are_forgotten_and_so_is_what_could_not_be_read_of_them(world: World) -> None:
    first = await loaded(world, shards=1)
    for key in (QWEN, LLAMA):
        first.put(key, remembered(3))
    await first.flush()
    world.patch(shard_of(world, QWEN), {"data": {"llm.gone": "{"}})
    second = await loaded(world, shards=1)

    second.keep([QWEN])
    await second.flush()

    assert set(world.get(shard_of(world, QWEN))["data"]) == {"llm.qwen"}
    assert second.get(LLAMA) is None
    assert second.problems == {}


async def test_a_dropped_scaler_leaves_its_config_map(world: World) -> None:
    made = await loaded(world, shards=1)
    for key in (QWEN, LLAMA):
        made.put(key, remembered(3))
    await made.flush()

    made.drop(LLAMA)
    await made.flush()

    assert set(world.get(shard_of(world, QWEN))["data"]) == {"llm.qwen"}


async def test_entries_move_when_there_are_more_shards(world: World) -> None:
    keys = [Key("llm", f"m{number}") for number in range(20)]
    few = await loaded(world, shards=1)
    for key in keys:
        few.put(key, remembered(7))
    await few.flush()

    many = await loaded(world, shards=8)
    assert all(replicas_of(many.get(key)) == 7 for key in keys)
    await many.flush()  # they arrive
    await many.flush()  # and leave where they were

    again = await loaded(world, shards=8)
    assert all(replicas_of(again.get(key)) == 7 for key in keys)
    held = [set(world.get(f"{CONFIG_MAPS}/leadtime-memory-{number}").get("data") or {}) for number in range(8)]
    assert sum(map(len, held)) == len(keys)
    assert sum(bool(names) for names in held) > 1


async def test_what_would_be_too_much_for_a_config_map_is_refused_and_the_rest_is_written(world: World) -> None:
    made = await loaded(world, shards=1)
    huge = Stored(memory=Memory(writer="x" * memories.LIMIT_BYTES))
    made.put(QWEN, remembered(3))
    made.put(LLAMA, huge)

    with pytest.raises(
        StorageError, match=r"memory of llm/llama\.v3 is not kept: it would make ConfigMap leadtime-memory-0 larger"
    ):
        await made.save_now(LLAMA)

    assert replicas_of((await loaded(world, shards=1)).get(QWEN)) == 3
    made.put(LLAMA, remembered(5))
    await made.save_now(LLAMA)
    assert made.problems == {}


async def test_loading_fails_when_a_part_cannot_be_read(world: World) -> None:
    trips = iter([GOOD, GOOD, Trip(refused=503)])
    made = of(world.client(lambda: next(trips, GOOD)))

    with pytest.raises(ApiServerError, match="503"):
        await made.load()


async def test_who_leads_no_longer_writes_nothing(world: World) -> None:
    leads = True
    made = await loaded(world, shards=1, may_write=lambda: leads)
    made.put(QWEN, remembered(3))
    leads = False

    with pytest.raises(StorageError, match="leads no longer"):
        await made.save_now(QWEN)
    failed = await made.flush()

    assert writes(world) == 0
    assert "leads no longer" in failed[0]


async def test_a_leader_that_was_replaced_does_not_overwrite_its_successors_memory(world: World) -> None:
    fence: Callable[[], bool] = lambda: next(leads)  # noqa: E731
    leads = iter([True, True, False])
    old = await loaded(world, shards=1, may_write=fence)
    old.put(QWEN, remembered(3))
    await old.flush()
    new = await loaded(world, shards=1)
    new.put(QWEN, remembered(8))
    await new.flush()

    old.put(QWEN, remembered(4))
    with pytest.raises(StorageError):
        await old.save_now(QWEN)  # its version is old, and when it has read the new one it is told that it leads no longer

    assert replicas_of((await loaded(world, shards=1)).get(QWEN)) == 8
