"""`leadtime replay`: recorded decisions, taken again."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from autoscaler.decision.model import Record
from autoscaler.report.record import Recorder
from tests.autoscaler.cli.conftest import Leadtime
from tests.autoscaler.report import histories

HELD = histories.held_by_the_cool_down()


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "record.jsonl"


def write(file: Path, records: Sequence[Record]) -> None:
    with Recorder(file) as recorder:
        for record in records:
            recorder.write(record)


def test_every_integer_of_a_history_is_reproduced(leadtime: Leadtime, file: Path) -> None:
    write(file, list(histories.World(load=histories.busy).run(150)))

    ran = leadtime("replay", str(file))

    assert (ran.status, ran.err) == (0, "")
    assert ran.out.splitlines() == [
        "llm-inference/qwen: 150 decisions from 2027-01-15T08:00:00Z to 2027-01-15T08:37:15Z",
        "  from each record alone: 150 of 150 integers reproduced",
        "  with memory handed on: 150 of 150 integers reproduced",
    ]


def test_a_mismatch_is_listed_and_the_exit_status_says_so(leadtime: Leadtime, file: Path) -> None:
    write(file, [replace(HELD, decision=replace(HELD.decision, replicas=6, serving=5))])

    ran = leadtime("replay", str(file))

    assert ran.status == 1
    assert ran.out.splitlines()[1:] == [
        "  from each record alone: 0 of 1 integers reproduced",
        "  with memory handed on: 0 of 1 integers reproduced",
        "  2027-01-15T08:00:00Z: recorded 6 (5 serving), from its record 4 (4 serving)",
    ]


def test_long_lists_of_mismatches_are_cut(leadtime: Leadtime, file: Path) -> None:
    forged = replace(HELD, decision=replace(HELD.decision, replicas=6))
    write(file, [forged] * 25)

    ran = leadtime("replay", str(file))

    assert ran.out.count("from its record") == 20
    assert ran.out.endswith("  and 5 more\n")


def test_one_target_of_several_is_picked(leadtime: Leadtime, file: Path) -> None:
    worlds = [histories.World(target=f"team/{name}") for name in "ab"]
    write(file, [world.tick() for _ in range(3) for world in worlds])

    both, one, none = leadtime("replay", str(file)), leadtime("replay", str(file), "--target", "team/b"), leadtime(
        "replay", str(file), "--target", "team/c"
    )  # fmt: skip

    assert (both.out.count("decisions from"), one.out.count("decisions from")) == (2, 1)
    assert one.out.startswith("team/b: 3 decisions")
    assert (none.status, none.err) == (1, f"error: {file} has no decision of team/c\n")


def test_a_file_that_is_being_written_is_read_as_far_as_it_goes(leadtime: Leadtime, file: Path) -> None:
    write(file, list(histories.World().run(3)))
    file.write_bytes(file.read_bytes()[:-5])

    ran = leadtime("replay", str(file))

    assert (ran.status, ran.err) == (0, f"note: {file}, line 3: cut short, and left out\n")
    assert "2 of 2" in ran.out


def test_what_a_rule_was_worth_is_told(leadtime: Leadtime, file: Path) -> None:
    later = replace(HELD, observation=replace(HELD.observation, now=HELD.observation.now + 15))
    write(file, [HELD, later])

    ran = leadtime("replay", str(file), "--without", "Cooldown")

    assert ran.status == 0
    assert ran.out.splitlines() == [
        "llm-inference/qwen 2027-01-15T08:00:00Z to 2027-01-15T08:00:15Z: 3 instead of 4 (2 decisions)",
        "2 decisions would have been other ones",
    ]


def test_what_another_setting_would_have_changed_is_told(leadtime: Leadtime, file: Path) -> None:
    write(file, [HELD])

    ran = leadtime("replay", str(file), "--set", "scale_down.cooldown_s=119", "--set", "scale_down.rule=Band")

    # 24 waiting are 2.4 replicas; but Band wants a utilisation, and there is none.
    assert ran.out == "0 decisions would have been other ones\n"
    ran = leadtime("replay", str(file), "--set", "scale_down.cooldown_s=119")
    assert ran.out.splitlines()[0] == "llm-inference/qwen 2027-01-15T08:00:00Z: 3 instead of 4 (1 decisions)"


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--without", "Magic"), "'Magic' is none of Start, "),
        (("--set", "max_replicas"), "'max_replicas' is not NAME=VALUE"),
        (("--set", "replicas=3"), "replicas is no setting of a policy"),
        (("--set", "max_replicas=many"), "Expected `int`"),
    ],
)
def test_what_cannot_be_asked_is_refused(leadtime: Leadtime, file: Path, options: tuple[str, ...], words: str) -> None:
    write(file, [HELD])

    ran = leadtime("replay", str(file), *options)

    assert ran.status == 2
    assert words in " ".join(ran.err.replace("│", " ").split())


@pytest.mark.parametrize("content", [None, b'{"v":9}\n'])
def test_a_record_that_cannot_be_read_is_the_users_to_mend(leadtime: Leadtime, file: Path, content: bytes | None) -> None:
    if content is not None:
        file.write_bytes(content)

    ran = leadtime("replay", str(file))

    assert ran.status == 2
    assert ran.err.startswith("error: ")
    assert str(file) in ran.err
