"""Prices that the controller refuses to begin with."""

import subprocess
import sys
from pathlib import Path


def test_prices_that_make_no_sense_are_refused_before_anything_starts(tmp_path: Path) -> None:
    file = tmp_path / "prices.yaml"
    file.write_text("currency: euro\nprices: { nvidia-l4: -1 }\n")
    command = [sys.executable, "-m", "autoscaler.cli.main", "autoscaler", f"--prices={file}"]

    ended = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)

    assert ended.returncode == 2
    assert "line 1, currency: is no currency" in ended.stderr
    assert "line 2, prices.nvidia-l4: must be greater than 0" in ended.stderr
