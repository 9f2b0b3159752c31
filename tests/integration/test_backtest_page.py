"""The example of `docs/backtest.md`, run as a reader runs it."""

import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cluster import processes

PAGE = Path("docs/backtest.md").read_text(encoding="utf-8")
SUGGESTIONS = "better in one and not worse in the other"


def test_the_example_prints_what_the_page_shows(tmp_path: Path) -> None:
    snippet, scaler, console = (
        re.findall(rf"^```{language}\n(.*?)^```$", PAGE, flags=re.MULTILINE | re.DOTALL)[0]
        for language in ("python", "yaml", "console")
    )
    subprocess.run([sys.executable, "-c", snippet], check=True, cwd=tmp_path)
    (tmp_path / "scaler.yaml").write_text(scaler)
    asked, _, shown = console.partition("\n")
    prompt, leadtime, *arguments = shlex.split(asked)
    assert (prompt, leadtime) == ("$", "leadtime")
    files = {"scaler.yaml", "load.csv", "load.png"}

    ran = processes.run_leadtime(*(str(tmp_path / word) if word in files else word for word in arguments), timeout_s=600)

    assert (ran.returncode, ran.stderr) == (0, "")
    assert (tmp_path / "load.png").stat().st_size > 10_000
    printed, _, suggested = ran.stdout.replace(f"{tmp_path}/", "").partition(SUGGESTIONS)
    shown, _, named = shown.partition(SUGGESTIONS)
    assert words(printed) == words(shown)
    # The same machine prints the same bytes; another processor rounds otherwise, and a decision may come a tick later.
    assert numbers(printed) == pytest.approx(numbers(shown), rel=0.1, abs=2)
    # Which changes are just good enough to be suggested may differ by as little, and the best of them does not.
    assert suggested.split("'")[1] == named.split("'")[1]


def words(text: str) -> list[str]:
    """Return *text* without its numbers and without the blanks that line them up."""
    return re.sub(r"[+-]?\d[\d,]*(\.\d+)?", "#", text).split()


def numbers(text: str) -> list[float]:
    """Return the numbers of *text*."""
    return [float(number.replace(",", "")) for number in re.findall(r"\d[\d,]*(?:\.\d+)?", text)]
