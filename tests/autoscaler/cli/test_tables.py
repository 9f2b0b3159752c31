"""Tables on a terminal: whole names, prose that is folded at words, and rows that go on rather than being cut."""

import io

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from autoscaler.cli.tables import Whole, cell, grid

SHORT, LONG = "a" * 32, "team-with-a-long-name/" + "b" * 37  # 59 characters
WHY = "twelve requests wait and each replica takes four of them at a time"


def printed(table: Whole, width: int) -> list[str]:
    console = Console(file=io.StringIO(), width=width, force_terminal=True, color_system=None)
    console.print(table, crop=False)
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue().splitlines()


def table(*names: str, why: str = WHY, one_line: bool = False) -> Whole:
    made = grid("NAME", "NOW", "WHY", prose=("WHY",))
    for name in names:
        made.add_row(cell(name), cell(2), cell(why))
    return Whole(made, one_line=one_line)


def test_what_fits_is_a_line_for_each_row() -> None:
    assert printed(table("qwen"), 120) == ["NAME  NOW  WHY", f"qwen  2    {WHY}"]


def test_prose_is_folded_at_words_and_the_name_stays_whole() -> None:
    heading, *lines = printed(table(SHORT), 80)

    # 32 for the name, 3 for the number and 2 between each leave 41.
    assert heading.split() == ["NAME", "NOW", "WHY"]
    assert lines[0].startswith(f"{SHORT}  2    twelve")
    assert " ".join(" ".join(lines).split()) == f"{SHORT} 2 {WHY}"
    assert max(map(len, lines)) <= 80


def test_where_folding_is_not_enough_a_row_is_one_line_beyond_the_edge() -> None:
    # 59 + 3 + 4 leave 14, and prose of 14 letters a line is not read.
    assert printed(table(LONG), 80)[1:] == [f"{LONG}  2    {WHY}"]


def test_on_a_screen_that_stays_each_row_is_one_line_whose_prose_is_cut() -> None:
    (line,) = printed(table(SHORT, one_line=True), 80)[1:]

    assert line.startswith(f"{SHORT}  2    twelve requests wait")
    assert line.endswith("…")
    assert len(line) <= 80


def test_two_columns_of_prose_share_the_room() -> None:
    made = grid("NAME", "WHY", "NOTES", prose=("WHY", "NOTES"))
    made.add_row(cell("qwen"), cell(WHY), cell(WHY))

    lines = printed(Whole(made), 80)

    assert max(map(len, lines)) <= 80
    assert lines[1].startswith("qwen  twelve requests wait")


@given(
    st.lists(st.tuples(st.from_regex(r"[a-z0-9/-]{1,60}", fullmatch=True), st.text("ab ", max_size=90)), min_size=1, max_size=5),
    st.integers(20, 200),
)
def test_no_name_is_ever_broken_and_no_letter_lost(rows: list[tuple[str, str]], width: int) -> None:
    made = grid("NAME", "WHY", prose=("WHY",))
    for name, why in rows:
        made.add_row(cell(name), cell(why))

    lines = printed(Whole(made), width)

    assert {name for name, _ in rows} <= {line.split(" ")[0] for line in lines}
    letters = "".join("".join(line.split()) for line in lines[1:])
    assert len(letters) == sum(len(name) + len("".join(why.split())) for name, why in rows)


@pytest.mark.parametrize("width", [10, 80, 300])
def test_no_line_ends_in_blanks(width: int) -> None:
    assert all(line == line.rstrip() for line in printed(table("qwen", LONG, why=""), width))
