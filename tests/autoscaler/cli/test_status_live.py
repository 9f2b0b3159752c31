"""The screen of `leadtime status -w`: no longer than the terminal, what needs a person first, and how many more there are."""

import io
from collections.abc import Sequence
from typing import Any

import pytest
from rich.console import Console

from autoscaler.cli import status_words
from tests.autoscaler.cli.apiserver import SPEC, STATUS

ILL = {**STATUS, "conditions": [{"type": "Ready", "status": "False", "reason": "NoTarget", "message": "it is gone " * 20}]}


def fleet(count: int, *, ill: Sequence[int] = ()) -> list[dict[str, Any]]:
    names = (f"{'long-name-' * 3}{number:02}" for number in range(count))  # 32 characters
    return [
        {"metadata": {"namespace": "llm", "name": name}, "spec": SPEC, "status": ILL if number in ill else STATUS}
        for number, name in enumerate(names)
    ]


def screen(documents: list[dict[str, Any]], *, lines: int, narrower: str = "-n NAMESPACE", wide: bool = False) -> list[str]:
    console = Console(file=io.StringIO(), width=80, height=lines, force_terminal=True, color_system=None)
    shown = status_words.live(documents, now=0.0, wide=wide, lines=lines, narrower=narrower)
    return ["".join(segment.text for segment in line).rstrip() for line in console.render_lines(shown, pad=False)]


def test_a_fleet_that_fits_is_shown_whole() -> None:
    shown = screen(fleet(4), lines=10)

    assert [line.split()[0] for line in shown] == ["SCALER", *(f"llm/{each['metadata']['name']}" for each in fleet(4))]


def test_a_larger_one_ends_with_how_many_more_there_are() -> None:
    shown = screen(fleet(80), lines=24)

    assert len(shown) == 24
    assert shown[-1] == "… and 58 more: -n NAMESPACE narrows it"  # 24 lines less the headings and this one show 22
    assert screen(fleet(80), lines=24, narrower="")[-1] == "… and 58 more"


@pytest.mark.parametrize("wide", [False, True])
def test_what_is_not_ready_is_on_top_and_complains_above_a_line_each(wide: bool) -> None:
    shown = screen(fleet(80, ill=(40, 79)), lines=24, wide=wide)

    assert len(shown) == 24
    assert [line.split(": ")[0][-2:] for line in shown[:2]] == ["40", "79"]
    assert [line.split()[0][-2:] for line in shown[4:7]] == ["40", "79", "00"]


def test_complaints_leave_room_for_the_fleet() -> None:
    shown = screen(fleet(80, ill=range(60)), lines=24)

    # A third of 24 lines, the last of which says how many complaints more there are; then a blank and the headings.
    assert shown[7] == "… and 53 more complaints"
    assert shown[8] == ""
    assert len(shown) == 24
    assert shown[-1] == "… and 67 more: -n NAMESPACE narrows it"


@pytest.mark.parametrize("lines", range(1, 8))
def test_a_screen_of_a_few_lines_is_no_error(lines: int) -> None:
    assert len(screen(fleet(9, ill=(1, 2)), lines=lines)) <= max(lines, 4)


def test_of_nothing_it_says_so() -> None:
    assert screen([], lines=24) == ["there is no InferenceScaler here"]
