"""The record: what is written is what is read, whatever was decided, and however the file ended."""

import itertools
import json
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from structlog.testing import capture_logs

from autoscaler.decision import pipeline
from autoscaler.decision.model import Bin, Capacity, Change, Memory, Record, Span, Trusting
from autoscaler.report import record
from tests.autoscaler import disks
from tests.autoscaler.decision import strategies
from tests.autoscaler.report import histories


def write(path: Path, records: list[Record], *, max_bytes: int | None = None) -> None:
    with record.Recorder(path, max_bytes=max_bytes) as recorder:
        for one in records:
            recorder.write(one)


def read(path: Path) -> tuple[list[Record], list[str]]:
    told: list[str] = []
    return list(record.read(path, tell=told.append)), told


@given(case=strategies.cases())
def test_a_record_of_anything_reads_as_it_was_written(case: strategies.Case, tmp_path_factory: pytest.TempPathFactory) -> None:
    path = tmp_path_factory.mktemp("record") / "record.jsonl"
    decision, after = pipeline.decide(case.policy, case.observation, case.memory)
    one = Record(target="a/b", policy=case.policy, observation=case.observation, before=case.memory, decision=decision, after=after)

    write(path, [one, one])

    assert read(path) == ([one, one], [])


_SPANS = st.lists(st.builds(Span, st.integers(0, 3), st.integers(0, 3).map(float), st.integers(0, 3).map(float)), max_size=4).map(
    tuple
)
_NAMES = st.lists(st.sampled_from("abc"), unique=True, max_size=3)
_TRUSTING = st.builds(
    Trusting,
    bins=st.lists(st.builds(Bin, st.sampled_from([0.1, 0.2]), st.just(1.0)), max_size=3).map(tuple),
    open_since=st.sampled_from([None, 1.0]),
    saturated=st.booleans(),
)


@st.composite
def memories(draw: st.DrawFn) -> Memory:
    return Memory(
        asked=draw(_SPANS),
        ups=draw(st.lists(st.builds(Change, st.just(1.0), st.integers(1, 2)), max_size=2).map(tuple)),
        expected=draw(st.sampled_from([None, 0, 2])),
        writer=draw(st.sampled_from(["", "kubectl"])),
        trusting=tuple((name, draw(_TRUSTING)) for name in draw(_NAMES)),
        capacities=tuple((name, Capacity(samples=draw(st.integers(0, 2)))) for name in draw(_NAMES)),
    )


@given(memories=st.lists(memories(), min_size=2, max_size=6))
def test_whatever_becomes_of_a_memory_reads_as_it_was(memories: list[Memory], tmp_path_factory: pytest.TempPathFactory) -> None:
    path = tmp_path_factory.mktemp("record") / "record.jsonl"
    one = histories.World().tick()
    records = [replace(one, before=before, after=after) for before, after in itertools.pairwise(memories)]

    write(path, records)

    assert read(path)[0] == records


def test_a_history_reads_as_it_was_written_and_says_what_repeats_once_in_a_hundred_lines(tmp_path: Path) -> None:
    path = tmp_path / "record.jsonl"
    records = list(histories.World().run(250))

    write(path, records)

    assert read(path) == (records, [])
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    assert [index for index, line in enumerate(lines) if "policy" in line] == [0, 100, 200]
    assert [index for index, line in enumerate(lines) if "before" in line] == [0, 100, 200]


def test_a_day_of_one_target_is_a_few_megabytes(tmp_path: Path) -> None:
    path = tmp_path / "record.jsonl"

    write(path, list(histories.World().run(500)))

    a_day = path.stat().st_size * 86_400 / histories.TICK_S / 500
    assert a_day < 10e6


def test_a_changed_policy_and_a_memory_from_elsewhere_are_written_at_once(tmp_path: Path) -> None:
    path = tmp_path / "record.jsonl"
    world = histories.World()
    first = world.tick()
    world.policy = replace(world.policy, max_replicas=3)
    second = world.tick()
    world.memory = Memory(no_down_before=world.now + 300)
    third = world.tick()

    write(path, [first, second, third])

    assert read(path)[0] == [first, second, third]
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    assert [("policy" in line, "before" in line) for line in lines] == [(True, True), (True, False), (False, True)]


def test_several_targets_share_a_file_and_one_can_be_picked(tmp_path: Path) -> None:
    path = tmp_path / "record.jsonl"
    worlds = [histories.World(target=f"team/{name}", replicas=count) for name, count in (("a", 1), ("b", 5))]
    records = [world.tick() for _ in range(3) for world in worlds]

    write(path, records)

    assert read(path)[0] == records
    assert list(record.read(path, tell=pytest.fail, target="team/b")) == records[1::2]


def test_a_last_line_that_is_cut_short_is_said_and_what_is_appended_later_is_not_spoilt(tmp_path: Path) -> None:
    path = tmp_path / "record.jsonl"
    world = histories.World()
    records = list(world.run(3))
    write(path, records)
    whole = path.read_bytes()
    path.write_bytes(whole[:-40])

    assert read(path) == (records[:2], [f"{path}, line 3: cut short, and left out"])

    later = list(world.run(2))
    write(path, later)
    assert read(path) == ([*records[:2], *later], [])


@pytest.mark.parametrize("left", [0, 1, 70_000])
def test_what_a_crash_left_of_a_line_is_taken_away_however_long_it_is(tmp_path: Path, left: int) -> None:
    path = tmp_path / "record.jsonl"
    record_ = histories.World().tick()
    write(path, [record_])
    with path.open("ab") as file:
        file.write(b"x" * left)

    write(path, [record_])

    assert read(path) == ([record_, record_], [])


def test_a_disk_that_is_full_for_a_while_is_said_once_and_costs_only_the_lines_of_that_while(tmp_path: Path) -> None:
    path = tmp_path / "record.jsonl"
    records = list(histories.World().run(9))

    with record.Recorder(path) as recorder, capture_logs() as said:
        for one in records[:3]:
            recorder.keep(one)
        with disks.full(path.stat().st_size + 100):  # a hundred bytes of the next line find room
            for one in records[3:6]:
                recorder.keep(one)
        for one in records[6:]:
            recorder.keep(one)

    # What follows leans on no line that is lost.
    assert read(path) == ([*records[:3], *records[6:]], [])
    assert [entry["event"] for entry in said] == ["decisions not recorded", "decisions recorded again"]


def test_a_file_that_cannot_move_aside_grows_no_further_and_is_gone_on_with_when_it_can(tmp_path: Path) -> None:
    path = tmp_path / "record.jsonl"
    records = list(histories.World().run(4))
    aside = path.with_name("record.jsonl.1")
    aside.mkdir()  # nothing can be moved there

    with record.Recorder(path, max_bytes=1) as recorder:
        for one in records[:3]:
            recorder.keep(one)
        before = read(path)
        aside.rmdir()
        recorder.keep(records[3])

    assert before == (records[:1], [])
    assert (read(aside), read(path)) == ((records[:1], []), (records[3:], []))


def test_a_file_without_its_head_says_how_much_is_left_out(tmp_path: Path) -> None:
    path = tmp_path / "record.jsonl"
    records = list(histories.World().run(130))
    write(path, records)
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join(lines[60:]))

    back, told = read(path)

    assert back == records[100:]
    assert told == [f"{path}: 40 lines of {histories.TARGET} left out: the whole line that they lean on is not in the file"]


def test_a_line_of_another_version_is_refused_by_its_number(tmp_path: Path) -> None:
    path = tmp_path / "record.jsonl"
    write(path, list(histories.World().run(2)))
    with path.open("a") as file:
        file.write('{"v":2,"target":"a/b"}\n')

    with pytest.raises(record.RecordError, match=r"line 3: a record of version 2, and this leadtime reads 1"):
        read(path)


@pytest.mark.parametrize(
    "line",
    [
        "nonsense",
        "[]",
        '{"v":1}',
        '{"v":1,"target":"a/b","policy":{},"before":{},"observation":{},"decision":{}}',
        '{"v":1,"target":"\xff"}',
    ],
)
def test_a_line_that_is_no_record_is_refused_by_its_number(tmp_path: Path, line: str) -> None:
    path = tmp_path / "record.jsonl"
    path.write_bytes(line.encode("latin-1") + b"\n")

    with pytest.raises(record.RecordError, match="line 1: not a record of a decision"):
        read(path)


def test_a_file_that_has_grown_moves_aside_and_both_can_be_read(tmp_path: Path) -> None:
    path = tmp_path / "record.jsonl"
    records = list(histories.World().run(30))

    write(path, records, max_bytes=20_000)

    before, now = read(path.with_name("record.jsonl.1")), read(path)
    assert before[1] == now[1] == []
    assert 0 < path.stat().st_size <= 22_500  # at most one line more than the limit
    kept = [*before[0], *now[0]]
    assert kept == records[-len(kept) :]
