"""A load generator that is not the bottleneck: HTTP/1.1 over TLS on plain sockets, several connections from one thread.

Each connection sends the same GET again as soon as its answer is complete. Nothing is parsed beyond status, length and the last
bytes of a chunked body; the first answer of each connection is checked whole. The standard library alone, so that a run starts in
a tenth of a second. `run` starts it as a process of its own:

    python -m benchmarks.load '{"host": "127.0.0.1", "port": 6443, "path": "/…", "connections": 8, "seconds": 5, …}'
"""

import json
import selectors
import socket
import ssl
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

from benchmarks import procfs

_BUFFER_BYTES = 2**20
_DRAIN_S = 20.0
_END_OF_CHUNKS = b"\r\n0\r\n\r\n"
_SAMPLE_S = 0.1
ROOT = Path(__file__).resolve().parents[1]


class LoadError(Exception):
    """The server answered something else than it should, or nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """What is asked of whom. The server is one that we started on loopback: its certificate is not checked."""

    host: str
    port: int
    path: str
    cert: str
    key: str
    headers: dict[str, str] = field(default_factory=dict)
    connections: int = 1
    seconds: float = 5.0
    #: How many items the answer must have.
    items: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """What came of every request that was begun within the time.

    The rate is the sum of the connections' own, each up to its last answer: a slow server is not charged for answers that the end
    of the run would have cut off.
    """

    reads_per_s: float
    p50_ms: float
    p99_ms: float
    reads: int
    bytes_per_read: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """A run, and what it cost the server."""

    result: Result
    cpu_ms_per_read: float
    rss_mib: float  # the highest seen


def run(load: Load, *, pid: int) -> Measured:
    """Apply *load* from a process of its own and return what it and the server *pid* made of it."""
    cpu_before = procfs.cpu_s(pid)
    command = [sys.executable, "-m", "benchmarks.load", json.dumps(asdict(load))]
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    highest = 0.0
    while True:
        highest = max(highest, procfs.rss_mib(pid))
        try:
            said, complaint = process.communicate(timeout=_SAMPLE_S)
            break
        except subprocess.TimeoutExpired:
            continue
    if process.returncode:
        raise LoadError(complaint.strip().rpartition("\n")[2])
    result = Result(**json.loads(said))
    cpu_ms = 1000 * (procfs.cpu_s(pid) - cpu_before)
    # The first read of each connection belongs to the CPU time as well.
    return Measured(result=result, cpu_ms_per_read=cpu_ms / (result.reads + load.connections), rss_mib=highest)


class _Connection:
    """One connection and the answer that it is waiting for."""

    def __init__(self, load: Load, context: ssl.SSLContext) -> None:
        raw = socket.create_connection((load.host, load.port), timeout=_DRAIN_S)
        raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.socket = context.wrap_socket(raw)
        lines = [f"GET {load.path} HTTP/1.1", f"Host: {load.host}:{load.port}", "Accept: application/json"]
        lines += [f"{name}: {value}" for name, value in load.headers.items()]
        self._request = ("\r\n".join(lines) + "\r\n\r\n").encode()
        self.buffer = bytearray(_BUFFER_BYTES)
        self._view = memoryview(self.buffer)
        self.sent_at = 0.0
        self.answers = 0
        self.received = 0
        self._head = 0
        self._total: int | None = None

    def send(self) -> None:
        self.received = self._head = 0
        self._total = None
        self.sent_at = time.perf_counter()
        self.socket.sendall(self._request)

    def receive(self) -> bool:
        """Take what has come; return whether the answer is complete."""
        while True:
            try:
                count = self.socket.recv_into(self._view[self.received :])
            except ssl.SSLWantReadError:
                return False
            if not count:
                raise LoadError("the server closed the connection")
            self.received += count
            if not self._head:
                self._read_head()
            if self._head and self._complete():
                return True

    def _read_head(self) -> None:
        end = self.buffer.find(b"\r\n\r\n", 0, self.received)
        if end < 0:
            return
        self._head = end + 4
        head = bytes(self.buffer[:end])
        if not head.startswith(b"HTTP/1.1 200 "):
            raise LoadError(bytes(self.buffer[: self.received]).decode(errors="replace").replace("\r\n", " ")[:600])
        for line in head.split(b"\r\n")[1:]:
            name, _, value = line.partition(b":")
            if name.lower() == b"content-length":
                self._total = self._head + int(value)

    def _complete(self) -> bool:
        if self._total is not None:
            return self.received >= self._total
        # JSON as it is sent here has no line ends, so these bytes are the end and never the middle.
        return self.buffer.endswith(_END_OF_CHUNKS, self._head, self.received)

    def body(self) -> bytes:
        raw = bytes(self.buffer[self._head : self.received])
        if self._total is not None:
            return raw
        parts: list[bytes] = []
        while raw:
            size, _, rest = raw.partition(b"\r\n")
            length = int(size, 16)
            parts.append(rest[:length])
            raw = rest[length + 2 :]
        return b"".join(parts)


def _apply(load: Load) -> Result:
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    context.load_cert_chain(load.cert, load.key)
    connections = [_Connection(load, context) for _ in range(load.connections)]
    size = 0
    for connection in connections:
        connection.send()
        while not connection.receive():
            continue
        size = len(connection.body())
        _check(connection.body(), load)
    latencies: list[float] = []
    rate = 0.0
    with selectors.DefaultSelector() as selector:
        for connection in connections:
            connection.socket.setblocking(False)
            selector.register(connection.socket, selectors.EVENT_READ, connection)
        started = time.perf_counter()
        end = started + load.seconds
        for connection in connections:
            connection.send()
        waiting = len(connections)
        while waiting:
            events = selector.select(timeout=_DRAIN_S)
            if not events:
                raise LoadError(f"no answer within {_DRAIN_S:g} s")
            for key, _ in events:
                connection = key.data
                if not connection.receive():
                    continue
                now = time.perf_counter()
                latencies.append(now - connection.sent_at)
                connection.answers += 1
                if now < end:
                    connection.send()
                else:
                    rate += connection.answers / (now - started)
                    waiting -= 1
    latencies.sort()
    return Result(
        reads_per_s=rate,
        p50_ms=1000 * _quantile(latencies, 0.50),
        p99_ms=1000 * _quantile(latencies, 0.99),
        reads=len(latencies),
        bytes_per_read=size,
    )


def _check(body: bytes, load: Load) -> None:
    found = len(json.loads(body)["items"])
    if load.items is not None and found != load.items:
        raise LoadError(f"{load.path} has {found} items, and {load.items} are right")


def _quantile(ordered: Sequence[float], q: float) -> float:
    return ordered[min(len(ordered) - 1, int(q * len(ordered)))]


if __name__ == "__main__":
    try:
        print(json.dumps(asdict(_apply(Load(**json.loads(sys.argv[1]))))))
    except (LoadError, OSError) as error:
        print(f"{type(error).__name__}: {error}", file=sys.stderr)
        sys.exit(1)
