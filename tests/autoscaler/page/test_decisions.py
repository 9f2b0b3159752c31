"""The ring of decisions: repeats prolong, records come back whole, and what changed nothing goes first."""

import itertools
from dataclasses import replace

from autoscaler.decision.model import Record
from autoscaler.page.decisions import Decisions
from autoscaler.report import explained
from tests.autoscaler.report import histories


def kept(records: list[Record], most: int = 100, most_bytes: int = 1 << 20) -> Decisions:
    ring = Decisions(most, most_bytes)
    for one in records:
        ring.add(one.policy, one.observation, one.before, one.decision)
    return ring


def outcome(one: Record) -> tuple[object, ...]:
    decision = one.decision
    return decision.current, decision.replicas, decision.serving, decision.reason, decision.act


def test_every_decision_is_in_exactly_one_entry_and_neighbours_differ() -> None:
    records = list(histories.World(load=histories.busy).run(400))

    entries = list(kept(records, most=1000))

    assert sum(entry.count for entry in entries) == len(records)
    assert all(one.outcome != other.outcome for one, other in itertools.pairwise(entries))
    assert [entry.until for entry in entries][-1] == records[-1].decision.at


def test_an_entry_gives_back_the_record_of_the_first_decision_it_stands_for() -> None:
    records = list(histories.World(load=histories.busy).run(60))
    firsts = [
        one for before, one in zip([None, *records], records, strict=False) if before is None or outcome(before) != outcome(one)
    ]

    given_back = [entry.record(histories.TARGET) for entry in kept(records)]

    assert given_back == [replace(one, after=given_back[0].after) for one in firsts]
    assert all(explained.of(one).reproduced for one in given_back)


def test_the_ring_keeps_to_its_entries_and_its_bytes() -> None:
    records = list(histories.World(load=histories.busy).run(900))

    by_entries, by_bytes = kept(records, most=12), kept(records, most_bytes=9_000)

    assert len(by_entries) == 12
    assert by_bytes.bytes_kept <= 9_000
    assert by_bytes.bytes_kept == sum(len(entry.packed) for entry in by_bytes)


def test_decisions_that_changed_nothing_go_before_those_that_did() -> None:
    records = list(histories.World(load=histories.busy).run(900))
    changes = sum(one.decision.replicas != one.decision.current for one in records)
    assert changes > 8

    entries = list(kept(records, most=8))

    assert sum(entry.changes for entry in entries) >= 7  # the last one is in force, whatever it is
    assert entries[-1].until == records[-1].decision.at


def test_what_is_newer_than_a_number_is_what_a_reader_lacks() -> None:
    ring = kept(list(histories.World(load=histories.busy).run(200)))
    numbers = [entry.number for entry in ring]

    assert [entry.number for entry in ring.since(numbers[-3])] == numbers[-2:]
    assert ring.since(numbers[-1]) == []
    assert ring.get(numbers[0]) is not None
    assert ring.get(numbers[-1] + 1) is None
