"""A run of the sandbox in which everything happens once, recorded by a real Prometheus.

``async with everything.run(folder) as recorded`` plays it, in about two minutes, and yields once it is over: the daemons have
ended, and the Prometheus that scraped them every second still answers, until the context is left. `recorded` says from when to when
(`started`, `ended`, Unix seconds), at what address (`prometheus_url`), and when what happened (`moments`, by the names in
`MOMENTS`; a run in which one of them is missing raises `RunError`). `recorded.at` and `recorded.over` ask it PromQL. The rules in
``manifests/prometheus`` are evaluated during the run, every second, as plain rule files or as the ``spec`` of a PrometheusRule.

The tests of this folder share one run: the fixture ``recorded`` of its ``conftest.py``.

Four scalers are at work. ``llm-inference/vllm-qwen`` plays the demo: up, a burst that was foreseen, warm pods promoted, down, zero,
and back. ``chat/vllm-chat`` wants more than its budget pays for, loses a signal, and has somebody else set its replicas.
``spot/vllm-spot`` waits for a node that there is not, and ``chat/nothing`` for a target.
"""

import asyncio
import contextlib
import json
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import aiohttp
import yaml

from adapter.errors import ApiServerError
from autoscaler.cluster.requests import MERGE_PATCH
from autoscaler.resource.scaler import API_VERSION, KIND
from autoscaler.sandbox import scenario, scenery, stage
from autoscaler.sandbox.account import Account
from autoscaler.sandbox.demo import Demo
from tests.cluster import prometheus, waiting

SCRAPE_S = 1.0
NAMESPACE, SCALER = scenery.WORKLOAD_NAMESPACE, scenery.WORKLOAD
_CHAT, _SPOT = ("chat", "vllm-chat"), ("spot", "vllm-spot")
_PLAYED_S = 75.0
_LOOK_S = 0.5
_AFTER_S = 3.0  # what has happened is scraped, too
_SEEN_S = 6.0  # and what lasts so long makes a line
_PATIENCE_S = 60.0
_ATTEMPTS = 2
_RULES = Path(__file__).parents[3] / "manifests" / "prometheus"
_PRICES = {"currency": "USD", "prices": {"NVIDIA-H100-80GB-HBM3": 3.9}}
_AT_ONCE = {"stabilizationWindowSeconds": 0, "policies": [{"type": "Pods", "value": 10, "periodSeconds": 1}]}

_DEMO = f'{{namespace="{NAMESPACE}",scaler="{SCALER}"}}'
#: What is to happen, and how the record shows it.
MOMENTS: Mapping[str, str] = {
    "scaled up": f"delta(leadtime_current_replicas{_DEMO}[3s]) > 0",
    "scaled down": f"delta(leadtime_current_replicas{_DEMO}[3s]) < 0",
    "at zero": f"leadtime_current_replicas{_DEMO} == 0",
    "woken": f"leadtime_current_replicas{_DEMO} > 0 and leadtime_current_replicas{_DEMO} offset 3s == 0",
    "promoted": "increase(leadtime_promotions_total[4s]) > 0",
    "forecast used": f'leadtime_condition{{type="ForecastUsed",namespace="{NAMESPACE}"}} == 1',
    "signal missed": " and ".join(f'leadtime_signal_fresh{{namespace="{_CHAT[0]}"}} {was}' for was in ("== 0", "offset 5s == 1")),
    "conflict": f'leadtime_condition{{type="Conflict",namespace="{_CHAT[0]}"}} == 1',
    "blocked": f'leadtime_condition{{type="CapacityBlocked",reason="BudgetExhausted",namespace="{_CHAT[0]}"}} == 1',
    "no node": f'leadtime_waiting_pods{{cause="unschedulable",namespace="{_SPOT[0]}"}} > 0',
    "not ready": 'leadtime_condition{type="Ready",reason="TargetNotFound"} == 0',
    "started": "leadtime_startup_duration_seconds_count > 0",
    "paid for": "leadtime_cost_total > 0",
}


class RunError(Exception):
    """Something did not happen, or Prometheus does not answer; the message says what."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Recorded:
    """What was recorded, and of when."""

    prometheus_url: str
    started: float
    ended: float
    moments: Mapping[str, float]

    def at(self, expression: str, *, at: float | None = None) -> list[dict[str, Any]]:
        """Return the instant vector of *expression* at the end of the run, or *at* another time; `RunError` when it is refused."""
        found: list[dict[str, Any]] = self.ask("query", query=expression, time=self.ended if at is None else at)["result"]
        return found

    def over(self, expression: str, *, step_s: float = SCRAPE_S) -> list[dict[str, Any]]:
        """Return the series of *expression* over the whole run; `RunError` when it is refused."""
        told = self.ask("query_range", query=expression, start=self.started, end=self.ended, step=step_s)
        found: list[dict[str, Any]] = told["result"]
        return found

    def ask(self, what: str, **parameters: object) -> Any:
        """Return the data of an answer of the HTTP API, such as that to ``label/scaler/values``; `RunError` when it is refused."""
        question = urllib.parse.urlencode(parameters, doseq=True)
        try:
            with urllib.request.urlopen(f"{self.prometheus_url}/api/v1/{what}?{question}", timeout=10) as answer:
                return json.load(answer)["data"]
        except urllib.error.HTTPError as error:
            raise RunError(f"{parameters}: {json.load(error).get('error')}") from error


@contextlib.asynccontextmanager
async def run(folder: Path) -> AsyncIterator[Recorded]:
    """Play everything with its files in *folder*, and yield what was recorded; `RunError` when something did not happen.

    A machine that was too busy for something plays it once more.
    """
    missing: list[str] = []
    for attempt in range(_ATTEMPTS):
        async with _played(folder / f"run-{attempt}") as recorded:
            missing = [name for name in MOMENTS if name not in recorded.moments]
            if not missing:
                yield recorded
                return
    raise RunError(f"the run shows no moment of: {', '.join(missing)}")


@contextlib.asynccontextmanager
async def _played(folder: Path) -> AsyncIterator[Recorded]:
    on_stage = folder / "stage"
    on_stage.mkdir(parents=True)
    played = scenario.Scenario(_PLAYED_S)
    prices = folder / "prices.yaml"
    prices.write_text(yaml.safe_dump(_PRICES))
    closed = stage.Loop(
        scaler=scenario.scaler(),
        day=scenario.day(played),
        patience_s=scenario.PATIENCE_S,
        in_flight_per_pod=scenario.IN_FLIGHT_PER_POD,
        drain_s=scenario.DRAIN_S,
        prices=prices,
    )
    with contextlib.ExitStack() as outliving:
        async with (
            stage.serve(on_stage, startup_s=scenario.STARTUP_S, loop=closed) as on,
            aiohttp.ClientSession() as session,
        ):
            server = outliving.enter_context(
                prometheus.start(
                    folder / "prometheus",
                    await _scraped(on, folder),
                    interval_s=SCRAPE_S,
                    rule_files=list(_rules(folder)),
                )
            )
            started = time.time() + 2 * SCRAPE_S
            async with asyncio.TaskGroup() as group:
                group.create_task(_demo(on, session, Account(played)), name="the demo")
                group.create_task(_trouble(on, session), name="trouble")
            await asyncio.sleep(_AFTER_S)
            ended = time.time()
        recorded = Recorded(prometheus_url=server.url, started=started, ended=ended, moments={})
        yield replace(recorded, moments=_moments(recorded))


def _moments(recorded: Recorded) -> dict[str, float]:
    """Return when each of `MOMENTS` was seen first, as far as it was."""
    found: dict[str, float] = {}
    for name, expression in MOMENTS.items():
        seen = [float(at) for series in recorded.over(expression) for at, _ in series["values"]]
        if seen:
            found[name] = min(seen)
    return found


async def _demo(on: stage.Stage, session: aiohttp.ClientSession, account: Account) -> None:
    """Play the demo: its load, and the return of that after zero."""
    demo = Demo(on, session, account)
    await demo.begin(asyncio.Event())
    while not demo.over:
        with contextlib.suppress(ApiServerError, aiohttp.ClientError):
            await demo.look()
        await asyncio.sleep(_LOOK_S)


async def _trouble(on: stage.Stage, session: aiohttp.ClientSession) -> None:
    """Have the other scalers get into trouble, and out of it again."""
    namespace, name = _CHAT
    for each in (_CHAT, _SPOT):
        await scenery.create(on.kube, {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": each[0]}})
    await _pin(on, session, waiting=8.0)
    await scenery.create(on.kube, _deployment(_CHAT, app=scenery.WORKLOAD, replicas=2, gpus=1))
    await scenery.create(on.kube, _deployment(_SPOT, app=_SPOT[1], replicas=1, gpus=64))
    await scenery.create(on.kube, _scaler(_CHAT, maxReplicas=6, budget={"maxGPUs": 3}))
    await scenery.create(on.kube, _scaler(_SPOT))
    await scenery.create(on.kube, _scaler(("chat", "nothing")))
    await _said(on, "SignalsFresh", "True")
    await asyncio.sleep(_SEEN_S)
    await _pin(on, session, waiting=40.0)  # of each: two would be eight
    await _said(on, "CapacityBlocked", "True")
    await asyncio.sleep(_SEEN_S)
    await _pin(on, session, waiting=3.0)  # one is enough
    await _said(on, "CapacityBlocked", "False")
    await asyncio.sleep(2 * _SEEN_S)
    await _pin(on, session, waiting=float("nan"))
    await _said(on, "SignalsFresh", "False")
    await asyncio.sleep(_SEEN_S)
    await _pin(on, session, waiting=8.0)
    await _said(on, "SignalsFresh", "True")
    path = f"/apis/apps/v1/namespaces/{namespace}/deployments/{name}"
    query = {"fieldManager": "somebody"}
    await on.kube.request("PATCH", path, body={"spec": {"replicas": 3}}, content_type=MERGE_PATCH, query=query)
    await _said(on, "Conflict", "True")


async def _said(on: stage.Stage, kind: str, status: str) -> None:
    """Return once the chat's scaler says *status* of its condition *kind*."""

    async def there() -> bool:
        found = (await on.read(stage.scaler_path(_scaler(_CHAT)))).get("status", {}).get("conditions", ())
        assert {"type": kind, "status": status}.items() <= next((each for each in found if each["type"] == kind), {}).items(), found
        return True

    await waiting.eventually(there, what=f"{kind} of {'/'.join(_CHAT)} is {status}", deadline_s=_PATIENCE_S)


async def _pin(on: stage.Stage, session: aiohttp.ClientSession, *, waiting: float) -> None:
    """Have the engines of the chat say that so many requests wait for each."""
    pins = {"namespace": _CHAT[0], "waiting": waiting, "gpu_util": 55.0}
    async with session.put(f"{on.fleet_url}/pins", json=pins, raise_for_status=True):
        pass


def _deployment(place: tuple[str, str], *, app: str, replicas: int, gpus: int) -> dict[str, Any]:
    labels = {"app": app, "instance": place[1]}
    container = {
        "name": "vllm",
        "image": "vllm",
        "ports": [{"name": "http", "containerPort": 8000}],
        "resources": {"limits": {"nvidia.com/gpu": str(gpus)}},
    }
    annotations = {scenery.STARTUP_ANNOTATION: f"{scenario.STARTUP_S:g}"}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"namespace": place[0], "name": place[1]},
        "spec": {
            "replicas": replicas,
            "selector": {"matchLabels": labels},
            "template": {"metadata": {"labels": labels, "annotations": annotations}, "spec": {"containers": [container]}},
        },
    }


def _scaler(place: tuple[str, str], **spec: Any) -> dict[str, Any]:
    metric = {"metric": {"name": "inference_queue_size"}, "target": {"type": "AverageValue", "averageValue": "10"}}
    return {
        "apiVersion": API_VERSION,
        "kind": KIND,
        "metadata": {"namespace": place[0], "name": place[1]},
        "spec": {
            "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": place[1]},
            "mode": "Auto",
            "minReplicas": 1,
            "maxReplicas": 2,
            "metrics": [{"type": "Pods", "pods": metric}],
            "signals": [{"metric": "inference_queue_size", "staleAfterSeconds": 5}],
            "behavior": {"scaleUp": _AT_ONCE, "scaleDown": {**_AT_ONCE, "stabilizationWindowSeconds": 3}},
            "scaleDown": {"cooldownSeconds": 3},
            **spec,
        },
    }


async def _scraped(on: stage.Stage, folder: Path) -> Sequence[Mapping[str, Any]]:
    """Return what Prometheus scrapes: both daemons, as the shipped ServiceMonitors do, and the exporters of the fleet."""
    token = folder / "scraper.token"
    token.touch(mode=0o600)
    token.write_text(await scenery.token(on.kube, scenery.SCRAPER))
    assert on.autoscaler_port is not None
    daemons = {scenery.ADAPTER: on.adapter_port, scenery.AUTOSCALER: on.autoscaler_port}
    ours = [
        {
            "job_name": name,
            "scheme": "https",
            "honor_labels": True,  # the namespace of a scaler's series is the scaler's
            "authorization": {"credentials_file": str(token)},
            "tls_config": {"insecure_skip_verify": True},
            "static_configs": [
                {
                    "targets": [f"127.0.0.1:{port}"],
                    "labels": {"namespace": scenery.NAMESPACE, "service": name, "pod": f"{name}-0"},
                }
            ],
        }
        for name, port in daemons.items()
    ]
    fleet = on.fleet_url.removeprefix("http://")
    return [
        *ours,
        _discovered("dcgm-exporter", f"{on.fleet_url}/targets/dcgm"),
        _discovered("vllm", f"{on.fleet_url}/targets/vllm"),
        {"job_name": "gateway", "metrics_path": "/gateway/metrics", "static_configs": [{"targets": [fleet]}]},
    ]


def _discovered(job: str, url: str) -> dict[str, Any]:
    return {"job_name": job, "honor_labels": True, "http_sd_configs": [{"url": url, "refresh_interval": "1s"}]}


def _rules(folder: Path) -> list[Path]:
    """Return the shipped rules as files that Prometheus reads."""
    found: list[Path] = []
    for file in sorted(_RULES.rglob("*.yaml")) if _RULES.is_dir() else ():
        for position, document in enumerate(yaml.safe_load_all(file.read_text())):
            rules = document.get("spec", document) if isinstance(document, dict) else {}
            if "groups" in rules:
                copy = folder / f"rules-{file.stem}-{position}.yaml"
                copy.write_text(yaml.safe_dump({"groups": rules["groups"]}))
                found.append(copy)
    return found
