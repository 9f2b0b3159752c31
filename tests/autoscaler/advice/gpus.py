"""A Prometheus on loopback that has the GPUs of some Deployments, and refuses as it is told to."""

import contextlib
import json
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

from autoscaler.advice import questions

Curve = Callable[[float], float | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Deployment:
    """What one had: *load* in replicas' worth, and how many *replicas*, by time; None is a gap."""

    load: Curve
    replicas: Curve
    gpus_each: int = 1


@dataclass(frozen=True, slots=True)
class Asked:
    """One query."""

    query: str
    first_s: float
    last_s: float
    step_s: float

    @property
    def points(self) -> int:
        """Return at how many points it was to be evaluated."""
        return round((self.last_s - self.first_s) / self.step_s) + 1


@dataclass
class Gpus:
    """Its *deployments* by (namespace, name). The next queries are answered with *refusals*, one after the other."""

    url: str = ""
    deployments: dict[tuple[str, str], Deployment] = field(default_factory=dict)
    refusals: list[tuple[int, str, str] | float] = field(default_factory=list)
    """(status, type of error, words), or so many seconds without an answer."""
    most_points: int | None = None
    """A query of more points is too much."""
    asked: list[Asked] = field(default_factory=list)

    def answer(self, query: str, first_s: float, last_s: float, step_s: float) -> tuple[int, dict[str, Any]]:
        """Return the status and the answer."""
        asked = Asked(query, first_s, last_s, step_s)
        self.asked.append(asked)
        if self.refusals:
            refusal = self.refusals.pop(0)
            if isinstance(refusal, float):
                time.sleep(refusal)
                return _refused(503, "timeout", "query timed out in expression evaluation")
            return _refused(*refusal)
        if self.most_points is not None and asked.points > self.most_points:
            return _refused(422, "execution", "query processing would load too many samples into memory in query execution")
        times = [first_s + index * step_s for index in range(asked.points)]
        result = [
            {"metric": labels, "values": values}
            for labels, curve in self._series(query)
            if (values := [[at, repr(value)] for at in times if (value := curve(at)) is not None])
        ]
        return 200, {"status": "success", "data": {"resultType": "matrix", "result": result}}

    def _series(self, query: str) -> Iterator[tuple[dict[str, str], Curve]]:
        for (namespace, name), one in self.deployments.items():
            labels = {"namespace": namespace, "workload": name}
            replicas = questions.replicas(namespace, name)
            if query.startswith("topk("):
                yield labels, _times(one.replicas, one.gpus_each)
            elif query.startswith("max by (namespace, workload)"):
                yield labels, _times(one.replicas, one.gpus_each, each=True)
            elif query == replicas:
                yield {}, one.replicas
            elif query.startswith(f"sum{replicas.removeprefix('count')} / "):
                yield {}, one.load


def _times(replicas: Curve, gpus_each: int, *, each: bool = False) -> Curve:
    def curve(at: float) -> float | None:
        found = replicas(at)
        return None if found is None else float(gpus_each if each else found * gpus_each)

    return curve


def _refused(status: int, kind: str, words: str) -> tuple[int, dict[str, Any]]:
    return status, {"status": "error", "errorType": kind, "error": words}


@contextlib.contextmanager
def serve() -> Iterator[Gpus]:
    """Run one."""
    gpus = Gpus()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            told = {name: values[0] for name, values in parse_qs(urlsplit(self.path).query).items()}
            numbers = (float(told[name]) for name in ("start", "end", "step"))
            status, document = gpus.answer(told["query"], *numbers)
            body = json.dumps(document).encode()
            with contextlib.suppress(ConnectionError):  # who asked may not have waited
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    listening = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    serving = threading.Thread(target=listening.serve_forever, kwargs={"poll_interval": 0.01}, name="gpus")
    serving.start()
    gpus.url = f"http://127.0.0.1:{listening.server_port}"
    try:
        yield gpus
    finally:
        listening.shutdown()
        serving.join()
        listening.server_close()
