"""When targets were scaled, as their own watch says: the time at which a changed ``spec.replicas`` arrived here."""

import contextlib
import http.client
import socket
import ssl
import threading
import time
import urllib.parse
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

import msgspec

from tests.cluster import waiting
from tests.cluster.controlplane import ControlPlane

_WATCH_S = 3600
_STOP_S = 5.0


class _Metadata(msgspec.Struct, rename="camel"):
    name: str
    resource_version: str


class _Spec(msgspec.Struct):
    replicas: int = 0


class _Deployment(msgspec.Struct):
    metadata: _Metadata
    spec: _Spec = msgspec.field(default_factory=_Spec)


class _ListMetadata(msgspec.Struct, rename="camel"):
    resource_version: str


class _List(msgspec.Struct):
    metadata: _ListMetadata
    items: list[_Deployment]


class _Event(msgspec.Struct):
    object: _Deployment


_LIST = msgspec.json.Decoder(_List)
_EVENT = msgspec.json.Decoder(_Event)


@dataclass(frozen=True, slots=True, kw_only=True)
class Spread:
    """How a number of durations lie. Seconds."""

    first: float
    median: float
    p95: float
    last: float


def spread(durations_s: list[float]) -> Spread:
    """Return how *durations_s*, at least one, lie: the value of rank ⌈q·n⌉ stands for the quantile q."""
    found = sorted(durations_s)

    def rank(percent: int) -> float:
        return found[-(-percent * len(found) // 100) - 1]

    return Spread(first=found[0], median=rank(50), p95=rank(95), last=found[-1])


@dataclass
class Scalings:
    """The first change of each Deployment of one namespace since the watch began, in `time.monotonic` seconds."""

    changed: dict[str, float] = field(default_factory=dict)
    before: dict[str, int] = field(default_factory=dict)
    problem: Exception | None = None
    """Why nothing more is seen."""

    def wait(self, began: Mapping[str, float], *, deadline_s: float) -> list[float]:
        """Return how long after it *began* each Deployment was scaled, once all of them are."""

        def all_of_them() -> bool:
            if self.problem is not None:
                raise RuntimeError("the watch of the Deployments has ended") from self.problem
            missing = began.keys() - self.changed.keys()
            assert not missing, f"{len(missing)} are not, such as {min(missing)}"
            return True

        waiting.until(all_of_them, what=f"{len(began)} targets are scaled", deadline_s=deadline_s)
        return [self.changed[name] - at for name, at in began.items()]

    def take(self, seen: _Deployment, now: float) -> None:
        """Note what an event says of a Deployment."""
        name = seen.metadata.name
        if seen.spec.replicas != self.before.get(name, seen.spec.replicas):
            self.changed.setdefault(name, now)


@contextlib.contextmanager
def watch(plane: ControlPlane, namespace: str) -> Iterator[Scalings]:
    """Watch the Deployments of *namespace* while the block runs."""
    path = f"/apis/apps/v1/namespaces/{namespace}/deployments"
    connection = _connect(plane)
    connection.request("GET", path)
    listed = _LIST.decode(connection.getresponse().read())
    found = Scalings(before={each.metadata.name: each.spec.replicas for each in listed.items})
    stopping = threading.Event()

    def follow() -> None:
        try:
            for seen in _events(connection, path, listed.metadata.resource_version):
                found.take(seen, time.monotonic())
        except Exception as error:  # noqa: BLE001 - it is raised where the scalings are waited for
            if not stopping.is_set():
                found.problem = error

    thread = threading.Thread(target=follow, name=f"watch {namespace}", daemon=True)
    thread.start()
    try:
        yield found
    finally:
        stopping.set()
        if connection.sock is not None:
            connection.auto_open = 0  # the thread reads the end of the connection, and does not begin another
            connection.sock.shutdown(socket.SHUT_RDWR)
        thread.join(_STOP_S)
        connection.close()


def _events(connection: http.client.HTTPSConnection, path: str, version: str) -> Iterator[_Deployment]:
    """Iterate over what happens after *version*. A busy API server ends watches that are slow: then it goes on with another."""
    while True:
        query = {"watch": "true", "resourceVersion": version, "timeoutSeconds": str(_WATCH_S)}
        connection.request("GET", f"{path}?{urllib.parse.urlencode(query)}")
        for line in connection.getresponse():
            seen = _EVENT.decode(line).object
            version = seen.metadata.resource_version
            yield seen


def _connect(plane: ControlPlane) -> http.client.HTTPSConnection:
    tls = ssl.create_default_context(cafile=str(plane.ca_file))
    tls.load_cert_chain(plane.administrator.cert, plane.administrator.key)
    return http.client.HTTPSConnection(urllib.parse.urlsplit(plane.server_url).netloc, context=tls)
