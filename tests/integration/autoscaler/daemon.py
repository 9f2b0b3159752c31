"""The autoscaler as a process, in as many lives as a test gives it, and what it says in them."""

import asyncio
import json
import signal
import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from autoscaler.sandbox.scenery import NAMESPACE
from tests.cluster import processes, stack

IDENTITY = "controller-0"
#: How often it decides and reads, so that what takes minutes as shipped is seen in seconds.
PERIOD_S = 0.2
READ_S = 0.2
#: What forecasts take for a minute, and for a day.
BUCKET_S = 1
DAY_S = 600
#: What the sandbox's GPUs cost; a second of one is a cent.
PRICES = "currency: EUR\nprices: { NVIDIA-H100-80GB-HBM3: 36 }\n"
#: How long it stays reachable after SIGTERM.
DRAIN_S = 1.0


@dataclass(slots=True)
class Daemon:
    """The process. Nothing here holds up the event loop: the cluster that it talks to lives there."""

    kubeconfig: Path
    folder: Path
    lives: int = 0
    port: int = 0
    process: processes.Process | None = None
    _decided: Counter[str] = field(default_factory=Counter)
    _read: int = 0  # bytes of the record

    async def start(self) -> None:
        """Begin a life; return once it has seen the cluster."""
        self.lives += 1
        self._read = 0
        (self.port,) = processes.free_ports(1)
        self._prices.write_text(PRICES)
        command: list[str | Path] = [
            sys.executable, "-m", "autoscaler.cli.main", "autoscaler", f"--kubeconfig={self.kubeconfig}",
            f"--namespace={NAMESPACE}", f"--identity={IDENTITY}", "--address=127.0.0.1", f"--port={self.port}",
            f"--period={PERIOD_S:g}", f"--read-period={READ_S:g}", f"--drain-seconds={DRAIN_S:g}", f"--record={self._record}",
            f"--prices={self._prices}", f"--state-dir={self.folder}", f"--bucket-seconds={BUCKET_S}", f"--day-seconds={DAY_S}",
        ]  # fmt: skip
        self.process = processes.start(f"life-{self.lives}", command, folder=self.folder)
        url = f"https://127.0.0.1:{self.port}/readyz"
        await asyncio.to_thread(processes.wait_ready, self.process, url, tls=stack.unverified())

    def terminate(self) -> None:
        """Ask it to end, as a kubelet does."""
        assert self.process is not None
        self.process.handle.send_signal(signal.SIGTERM)

    async def ended(self, *, within_s: float = 10.0) -> int:
        """Return its exit status once it has ended."""
        assert self.process is not None
        return await asyncio.to_thread(self.process.handle.wait, within_s)

    async def stop(self) -> None:
        """End it, whatever it is doing."""
        if self.process is not None:
            await asyncio.to_thread(self.process.stop)

    async def ready(self) -> tuple[int, str]:
        """Return the status and the words in which it says whether it is ready."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port, ssl=stack.unverified())
        try:
            writer.write(b"GET /readyz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
            head, _, body = (await reader.read()).decode().partition("\r\n\r\n")
            return int(head.split()[1]), body
        finally:
            writer.close()

    def decisions(self, target: str) -> int:
        """Return how often the scaler *target* (``NAMESPACE/NAME``) has been decided on, in all lives."""
        if self._record.exists():
            with self._record.open("rb") as file:
                file.seek(self._read)
                for line in file:
                    if not line.endswith(b"\n"):
                        break
                    self._read += len(line)
                    self._decided[json.loads(line)["target"]] += 1
        return self._decided[target]

    def forecasts(self, target: str) -> list[dict[str, Any]]:
        """Return the forecasts that the scaler *target* has been decided on with in this life, the oldest first."""
        lines = self._record.read_text().splitlines(keepends=True) if self._record.exists() else []
        told = [json.loads(line) for line in lines if line.endswith("\n")]
        return [one["observation"]["forecast"] for one in told if one["target"] == target and "forecast" in one["observation"]]

    def lines(self) -> list[str]:
        """Return every line that it logged, in all lives."""
        return [line for file in sorted(self.folder.glob("life-*.log")) for line in file.read_text().splitlines()]

    def said(self, event: str) -> Iterator[dict[str, Any]]:
        """Yield the log's entries of an *event*."""
        return (entry for entry in map(json.loads, self.lines()) if entry["event"] == event)

    @property
    def _prices(self) -> Path:
        return self.folder / "prices.yaml"

    @property
    def _record(self) -> Path:
        return self.folder / f"life-{self.lives}.record"
