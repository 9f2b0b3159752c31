"""What 5,000 targets cost the controller: a share of a core, ticks that come late, and memory; with forecasts and without.

The controller is the daemon as it is shipped, on a period of 15 s. Its API server and its metrics are `crowd`'s. Its own page of
metrics is read at both ends of the window, and so the cost of one scrape in 30 s is part of what is measured.
"""

import contextlib
import os
import sys
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from prometheus_client.parser import text_string_to_metric_families

from autoscaler.decision.model import ForecastMode
from benchmarks import crowd, procfs
from benchmarks.claims import say
from benchmarks.load import ROOT
from tests.cluster import processes, stack, waiting

PERIOD_S = 15.0
_SETTLE_S = 15.0
_SAMPLE_S = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """What the controller cost in a window of *window_s*."""

    targets: int
    forecast: ForecastMode
    window_s: float
    core_share: float
    ticks: int
    late: int
    rss_mib: float  # the highest seen
    writes_per_s: float
    server_share: float  # of a core, for the API server's part


@dataclass(frozen=True, slots=True)
class _Controller:
    port: int
    pid: int
    token: str

    def counters(self) -> dict[str, float]:
        """Return the counters without labels of its own page."""
        request = urllib.request.Request(
            f"https://127.0.0.1:{self.port}/metrics", headers={"Authorization": f"Bearer {self.token}"}
        )
        with urllib.request.urlopen(request, timeout=30, context=stack.unverified()) as answer:  # noqa: S310 - https
            text = answer.read().decode()
        mine = "\n".join(line for line in text.splitlines() if line.startswith("leadtime_ticks"))
        return {each.name: each.value for family in text_string_to_metric_families(mine) for each in family.samples}


def measure(folder: Path, *, targets: int, window_s: float, forecast: ForecastMode) -> Cost:
    """Run *targets* scalers for *window_s*, from when all of them have been told of once."""
    say(f"starting an API server with {targets} scalers …")
    with crowd.start(folder, targets, forecast=forecast) as server, _controller(folder, server) as controller:
        waiting.until(lambda: server.state()["told"] == targets, what=f"{targets} scalers have a status", deadline_s=300)
        time.sleep(_SETTLE_S)
        say(f"{window_s:.0f} s of it …")
        began, cpu_s, server_cpu_s = time.monotonic(), procfs.cpu_s(controller.pid), procfs.cpu_s(server.pid)
        before, writes = controller.counters(), server.state()["writes"]
        highest = 0.0
        while time.monotonic() - began < window_s:
            highest = max(highest, procfs.rss_mib(controller.pid))
            time.sleep(_SAMPLE_S)
        after = controller.counters()
        took_s = time.monotonic() - began
        return Cost(
            targets=targets,
            forecast=forecast,
            window_s=took_s,
            core_share=(procfs.cpu_s(controller.pid) - cpu_s) / took_s,
            ticks=int(after["leadtime_ticks_total"] - before["leadtime_ticks_total"]),
            late=int(after["leadtime_ticks_late_total"] - before["leadtime_ticks_late_total"]),
            rss_mib=highest,
            writes_per_s=(server.state()["writes"] - writes) / took_s,
            server_share=(procfs.cpu_s(server.pid) - server_cpu_s) / took_s,
        )


@contextlib.contextmanager
def _controller(folder: Path, server: crowd.Crowd) -> Iterator[_Controller]:
    (port,) = processes.free_ports(1)
    command: list[str | Path] = [
        sys.executable, "-m", "autoscaler.cli.main", "autoscaler", f"--kubeconfig={server.kubeconfig}",
        "--identity=benchmark", "--address=127.0.0.1", f"--port={port}", f"--period={PERIOD_S:g}", "--drain-seconds=0",
    ]  # fmt: skip
    process = processes.start("controller", command, folder=folder, environment={**os.environ, "PYTHONPATH": str(ROOT)})
    try:
        processes.wait_ready(process, f"https://127.0.0.1:{port}/readyz", tls=stack.unverified(), deadline_s=120)
        yield _Controller(port, process.pid, server.token)
    finally:
        process.stop()
