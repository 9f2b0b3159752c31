"""The example of `docs/forecasting.md`, run as a reader runs it."""

import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cluster import processes

PAGE = Path("docs/forecasting.md").read_text(encoding="utf-8")


def test_the_example_prints_what_the_page_shows(tmp_path: Path) -> None:
    (snippet,) = re.findall(r"^```python\n(.*?)^```$", PAGE, flags=re.MULTILINE | re.DOTALL)
    (console,) = re.findall(r"^```console\n(.*?)^```$", PAGE, flags=re.MULTILINE | re.DOTALL)
    subprocess.run([sys.executable, "-c", snippet], check=True, cwd=tmp_path)
    asked, _, shown = console.partition("\n")
    prompt, leadtime, *arguments = shlex.split(asked)
    assert (prompt, leadtime) == ("$", "leadtime")

    ran = processes.run_leadtime(*(str(tmp_path / word) if "." in word else word for word in arguments), timeout_s=600)

    assert (ran.returncode, ran.stderr) == (0, "")
    assert (tmp_path / "load.png").stat().st_size > 10_000
    printed = ran.stdout.replace(f"{tmp_path}/", "")
    assert words(printed) == words(shown)
    # Another processor rounds otherwise, and which hour is the worst of several bad ones may depend on that.
    assert numbers(printed) == pytest.approx(numbers(shown), rel=0.1, abs=0.02)


def words(text: str) -> list[str]:
    """Return *text* without its numbers and without the blanks that line them up."""
    return re.sub(r"\d+(\.\d+)?", "#", text).split()


def numbers(text: str) -> list[float]:
    """Return the numbers of *text* but for the worst hours."""
    return [float(number) for number in re.findall(r"\d+(?:\.\d+)?", re.sub(r" at \d\dh", "", text))]
