"""`leadtime demo` as a newcomer runs it: a process that shows values, and ends without leaving anything behind."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

COMMAND = [sys.executable, "-m", "autoscaler.cli.main", "demo", "--seconds=10", "--plain"]


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


def test_the_demo_shows_values_and_ends_by_itself(tmp_path: Path) -> None:
    environment = {**os.environ, "TMPDIR": str(tmp_path)}

    done = subprocess.run(COMMAND, capture_output=True, text=True, timeout=120, env=environment, check=False)

    assert done.returncode == 0, done.stderr
    assert (
        "kubectl get --raw '/apis/custom.metrics.k8s.io/v1beta2/namespaces/llm-inference/pods/*/inference_queue_size'"
        in done.stdout
    )
    assert "DCGM_FI_DEV_GPU_UTIL" in done.stdout
    assert "0 with values" not in done.stdout
    assert list(tmp_path.iterdir()) == []
    assert _relatives(tmp_path) == []


def test_ctrl_c_ends_the_demo_and_all_of_its_processes(tmp_path: Path) -> None:
    environment = {**os.environ, "TMPDIR": str(tmp_path), "PYTHONUNBUFFERED": "1"}
    running = subprocess.Popen(
        [*COMMAND[:-2], "--seconds=60", "--plain"], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=environment
    )
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
    assert _relatives(tmp_path) == []
