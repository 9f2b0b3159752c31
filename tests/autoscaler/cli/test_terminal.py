"""Words of others have no power over the terminal."""

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from autoscaler.cli import status_words, terminal


@given(st.text())
def test_what_is_printed_moves_nothing_and_hides_nothing(text: str) -> None:
    shown = terminal.plain(text)

    assert all(unicodedata.category(char) not in {"Cc", "Cf", "Zl", "Zp", "Cs"} for char in shown)


@given(st.text(st.characters(categories=("L", "N", "P", "S", "Zs"))))
def test_plain_words_stay_as_they_are(text: str) -> None:
    assert terminal.plain(text) == text


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("\x1b[2Jgone", "\\x1b[2Jgone"),
        ("a\u202eb", "a\\u202eb"),
        ("one\ntwo\tthree", "one two three"),
        ("\x9b31m", "\\x9b31m"),
        ("[red]bold[/]", "[red]bold[/]"),
    ],
)
def test_each_kind_of_trick_is_spelled_out(text: str, shown: str) -> None:
    assert terminal.plain(text) == shown


def test_markup_in_a_name_is_no_markup_in_a_table(capsys: pytest.CaptureFixture[str]) -> None:
    evil = {
        "metadata": {"name": "[red]x[/red]", "namespace": "a\x1b]0;owned\x07"},
        "spec": {"scaleTargetRef": {"kind": "Deployment", "name": "[link=https://evil]t"}},
        "status": {"reason": "\x1b[31mDemand", "conditions": [{"type": "Ready", "status": "False", "message": "\x1b[2J[blink]"}]},
    }

    Console(force_terminal=True, width=200, color_system="truecolor").print(status_words.table([evil], now=0.0, wide=True))

    shown = capsys.readouterr().out
    assert "[red]x[/red]" in shown
    assert "\\x1b]0;owned\\x07" in shown
    assert "\x1b]" not in shown
    assert "\x1b[2J" not in shown
    assert "\x1b[5m" not in shown
