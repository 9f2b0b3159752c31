"""The sandbox as users run it: as a process."""

import contextlib
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path


@contextlib.contextmanager
def sandbox(folder: Path, *, speed: float) -> Iterator[Path]:
    """Run a sandbox whose pods start and stop *speed* times faster, and yield the administrator's kubeconfig."""
    command = [sys.executable, "-m", "autoscaler.sandbox.cluster", f"--folder={folder}", f"--speed={speed:g}"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            ready = json.loads(process.stdout.readline())
            yield Path(ready["kubeconfig"])
        finally:
            process.terminate()
            assert process.wait(timeout=10) == 0
