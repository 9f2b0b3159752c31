"""`docs/backtest.md` shows what the command does: its options, a valid scaler, and the load of its example."""

import re
from pathlib import Path

import pytest
import typer
import yaml

from autoscaler.cli import main, manifests
from autoscaler.simulation.traces import reading

PAGE = Path("docs/backtest.md").read_text(encoding="utf-8")


def fenced(language: str) -> str:
    """Return the page's one code block of a language."""
    (block,) = re.findall(rf"^```{language}\n(.*?)^```$", PAGE, flags=re.MULTILINE | re.DOTALL)
    return str(block)


def test_the_example_is_of_the_load_that_it_makes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)

    exec(compile(fenced("python"), "docs/backtest.md", "exec"), {})  # noqa: S102 - our own page

    _, found = reading.read(Path("load.csv"))
    assert found.lines()[0] in fenced("console")


def test_its_scaler_is_valid() -> None:
    assert manifests.problems(yaml.safe_load(fenced("yaml"))) == ()


def test_every_option_that_is_named_exists() -> None:
    command = typer.main.get_command(main.app).commands["backtest"]  # type: ignore[attr-defined]
    there = {name for option in command.params for name in (*option.opts, *option.secondary_opts)}

    named = set(re.findall(r"--[a-z][a-z-]+", PAGE))

    assert named
    assert named <= there
