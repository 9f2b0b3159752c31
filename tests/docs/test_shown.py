"""What a page shows of a command that only reads files is what the command prints: it is run, in a folder with the page's files."""

import re
from pathlib import Path

import pytest
from typer.testing import CliRunner

from autoscaler.cli import main
from tests.docs import commandlines, pages
from tests.docs.pages import Block, Page

#: Commands that need nothing but files.
PURE = (("import",), ("scaler", "check"), ("adapter", "check"), ("adapter", "presets"))


def pure(block: Block) -> bool:
    """Return whether *block* shows one such command and something that it prints."""
    lines = commandlines.lines(block)
    return (
        len(lines) == 1
        and lines[0].words[0] == "leadtime"
        and any(lines[0].words[1 : 1 + len(words)] == words for words in PURE)
        and not lines[0].writes
        and bool(printed(block))
    )


def printed(block: Block) -> str:
    """Return what stands below the command, whose lines may go on."""
    return block.text.partition("\n")[2]


SHOWN = [
    pytest.param(page, block, id=str(block))
    for page in pages.everything()
    for block in page.blocks
    if block.language == "console" and pure(block)
]


def test_there_are_some() -> None:
    assert len(SHOWN) >= 5


@pytest.mark.parametrize(("page", "block"), SHOWN)
def test_a_command_prints_what_is_shown(page: Page, block: Block, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for each in page.blocks:
        if each.title:
            (tmp_path / each.title).write_text(each.text, encoding="utf-8")
    (line,) = commandlines.lines(block)

    ran = CliRunner().invoke(main.app, list(line.words[1:]))

    assert ran.exception is None, ran.output
    assert matches(printed(block), ran.output), f"{block} shows something else than\n{ran.output}"


def matches(shown: str, output: str) -> bool:
    """Return whether *output* is what is *shown*, where a line that is an ellipsis stands for any lines."""
    pattern = "".join("(?:.*\n)*?" if line == "…" else f"{re.escape(line)}\n" for line in shown.splitlines())
    return re.fullmatch(pattern, output) is not None


def test_an_ellipsis_stands_for_whole_lines() -> None:
    assert matches("a\n…\nd\n", "a\nb\nc\nd\n")
    assert matches("a\n…\nd\n", "a\nd\n")
    assert not matches("a\n…\nd\n", "a\nb\ncd\n")
    assert not matches("a\n", "a\nb\n")
