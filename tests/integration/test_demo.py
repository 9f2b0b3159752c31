"""`leadtime demo` as a newcomer runs it: the loop closes on its own, and ends without leaving anything behind."""

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

from autoscaler.decision.model import Record, Rule
from autoscaler.report import record

COMMAND = [sys.executable, "-m", "autoscaler.cli.main", "demo", "--plain"]


def _relatives(folder: Path) -> list[str]:
    """Return the command lines of running processes that name a demo's *folder*."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                words = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
            except OSError:
                continue
            if str(folder) in words:
                found.append(words)
    return found


def _raised(file: Path) -> float:
    """Return when the forecast raised the number most of the times that it made pods."""

    def lift(one: Record) -> int:
        return max((step.after - step.before for step in one.decision.trail if step.rule is Rule.FORECAST), default=0)

    rises = [one for one in record.read(file, tell=print) if one.decision.replicas > one.observation.replicas]
    found = max(rises, key=lift)
    assert lift(found) > 0, "the forecast never raised the number"
    return found.observation.now


def _explained(file: Path, at: float) -> str:
    command = [*COMMAND[:-2], "explain", "isc", "llm-inference/vllm-qwen", f"--record={file}", f"--at={at!r}"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_the_demo_scales_up_to_zero_and_back_and_ends_by_itself(tmp_path: Path) -> None:
    scratch, kept = tmp_path / "scratch", tmp_path / "record.jsonl"
    scratch.mkdir()
    environment = {**os.environ, "TMPDIR": str(scratch)}
    command = [*COMMAND, "--seconds=75", f"--record={kept}"]

    done = subprocess.run(command, capture_output=True, text=True, timeout=300, env=environment, check=False)

    shown = done.stdout
    # Without a reason of its own, the failure is in what the demo has shown.
    assert done.returncode == 0, f"{shown}\n{done.stderr}"
    assert "kubectl get isc -n llm-inference" in shown
    assert re.search(r"^the autoscaler's page: http://127\.0\.0\.1:\d+/\?key=\S+$", shown, re.MULTILINE), shown
    assert "a second here is a minute there" in shown
    assert re.search(r" s  silence .* ●0 ○0 ◌0 ", shown), "no pod is left in the silence"
    assert re.search(r"^forecast +(a pod|\d pods) asked for \d+\.\d s before the burst, [1-9] ready at it", shown, re.MULTILINE), (
        shown
    )
    assert re.search(r"^requests +[1-9]\d+ answered, \d+ late .*, 0 failed$", shown, re.MULTILINE), shown
    assert re.search(r"^warm pods +[1-9]\d* promoted", shown, re.MULTILINE), shown
    assert re.search(r"^daemons +[1-9]\d+ metric reads answered, [1-9]\d+ decisions, [1-9]\d* changes$", shown, re.MULTILINE), shown
    assert re.search(r"^cost +\d+\.\d GPU-hours, [1-9]\d*\.\d\d USD by the autoscaler's own count$", shown, re.MULTILINE), shown
    assert "never" not in shown
    assert list(scratch.iterdir()) == []
    assert _relatives(scratch) == []
    replayed = subprocess.run([*COMMAND[:-2], "replay", str(kept)], capture_output=True, text=True, timeout=60, check=False)
    assert replayed.returncode == 0, replayed.stdout + replayed.stderr
    explained = _explained(kept, at=_raised(kept))
    assert re.search(r"up to \d\.\d replicas' worth of load is forecast within \d+ s", explained), explained
    assert "without the forecast it would be" in explained


def test_ctrl_c_ends_the_demo_and_all_of_its_processes(tmp_path: Path) -> None:
    environment = {**os.environ, "TMPDIR": str(tmp_path), "PYTHONUNBUFFERED": "1"}
    running = subprocess.Popen(COMMAND, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=environment)
    assert running.stdout is not None
    with running.stdout as output:
        for line in output:
            if " load " in line:
                break
        running.send_signal(signal.SIGINT)
        started = time.monotonic()
        output.read()
    running.wait(30)

    assert running.returncode == 0
    assert time.monotonic() - started < 15.0
    assert list(tmp_path.iterdir()) == []
    assert _relatives(tmp_path) == []
