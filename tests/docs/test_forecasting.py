"""`docs/forecasting.md` shows what the command does: its options, its gate's words, and the series of its example."""

import re
from pathlib import Path

import pytest
import typer

from autoscaler.cli import main
from forecasting import series
from forecasting.gate import Verdict

PAGE = Path("docs/forecasting.md").read_text(encoding="utf-8")


def fenced(language: str) -> list[str]:
    """Return the page's code blocks of a language."""
    return re.findall(rf"^```{language}\n(.*?)^```$", PAGE, flags=re.MULTILINE | re.DOTALL)


def test_the_example_is_of_the_series_that_it_makes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (snippet,) = fenced("python")
    (console,) = fenced("console")

    exec(compile(snippet, "docs/forecasting.md", "exec"), {})  # noqa: S102 - our own page

    made, _ = series.read_csv((tmp_path / "load.csv").read_bytes())
    assert f"  {len(made)} buckets of {made.step_s} s, 0.0 % of them gaps; from {made.values.min():.4g} to " in console


def test_every_verdict_of_the_gate_has_a_row_in_their_order() -> None:
    _, _, gate = PAGE.partition("| the gate says | |\n")

    assert set(re.findall(r"^\| `(\w+)` \|", gate, flags=re.MULTILINE)) == set(Verdict)


def test_every_option_that_is_named_exists() -> None:
    commands = typer.main.get_command(main.app).commands  # type: ignore[attr-defined]
    there = {name for command in ("forecast", "autoscaler") for option in commands[command].params for name in option.opts}

    named = set(re.findall(r"--[a-z][a-z-]+", PAGE))

    assert named
    assert named <= there
