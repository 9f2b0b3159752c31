"""A decision on the page reads as `leadtime explain` prints it."""

import pytest

from autoscaler.decision.model import Mode, Record
from autoscaler.page import documents
from autoscaler.report import explained
from tests.autoscaler.page import fleet
from tests.autoscaler.page.fleet import START, Target
from tests.autoscaler.report import histories


def words(lines: list[str]) -> list[str]:
    return [" ".join(line.split()) for line in lines]


def records() -> list[Record]:
    busy = list(histories.World(load=histories.busy).run(240))
    return [histories.held_by_the_cool_down(), *busy]


def test_the_document_has_every_line_of_explain_in_its_order() -> None:
    for record in records():
        again = explained.of(record)

        assert documents.words(documents.explained(again)) == words(again.lines())


@pytest.mark.parametrize("mode", [Mode.PAUSED, Mode.RECOMMEND])
def test_why_nothing_is_written_is_no_counterfactual(mode: Mode) -> None:
    target = Target(fleet.Key("llm", "qwen"), lambda _: 6.0, policy=fleet.policy(mode=mode))
    told = target.decided(START)
    record = Record(
        target="llm/qwen", policy=target.policy, observation=told.observation, before=told.before, decision=told.decision
    )
    assert told.decision.replicas != told.decision.current or mode is Mode.PAUSED

    document = documents.explained(explained.of(record))

    assert documents.words(document) == words(explained.of(record).lines())
    assert all(line.startswith("without ") for line in document["others"])


def test_a_decision_without_signals_says_so() -> None:
    target = Target(fleet.Key("llm", "qwen"), lambda _: 1.0, policy=fleet.policy(signals=()))
    told = target.decided(START)
    record = Record(
        target="llm/qwen", policy=target.policy, observation=told.observation, before=told.before, decision=told.decision
    )

    document = documents.explained(explained.of(record))

    assert document["votes"] == ["none"]
    assert documents.words(document) == words(explained.of(record).lines())


def test_a_signal_that_is_not_fresh_has_no_value_to_draw() -> None:
    silent = Target(fleet.Key("llm", "qwen"), lambda _: 1.0, silent=True)

    point = documents.point(silent.decided(START)).document()

    assert {value for value, _ in point["signals"].values()} == {None}  # type: ignore[attr-defined]
    assert point["figures"]["offered"] is None  # type: ignore[index]
