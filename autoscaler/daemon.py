"""The controller as a process: the one place where its parts are put together, started and stopped.

Every replica watches the cluster, so that a standby knows it already when it takes over; only the one that holds the Lease
decides and writes.
"""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import structlog
from prometheus_client import ProcessCollector

from adapter import certificates, errors, running, serving
from adapter.api import authn, authz
from adapter.kube import reviews
from adapter.kube.client import Kube
from adapter.sources.credentials import Auth, Tls
from autoscaler import endpoint
from autoscaler.anticipate.ondemand import Forecasts, OnDemand
from autoscaler.cluster.memories import Memories
from autoscaler.cluster.view import View
from autoscaler.controller import Controller
from autoscaler.cost import prices
from autoscaler.leadership import Leadership
from autoscaler.report.record import Recorder
from autoscaler.report.telemetry import Telemetry
from autoscaler.settings import Foresight, Options

if TYPE_CHECKING:
    from autoscaler.anticipate.anticipation import Anticipation
    from autoscaler.history import PrometheusHistory
    from autoscaler.page.listener import Listener
    from autoscaler.refit import Refitter

log = structlog.get_logger("autoscaler")

LEASE = "leadtime-autoscaler"
_RECORD_BYTES = 512 * 1024 * 1024  # of the record's file, and as much of the one before it: days of ten targets
_RENEWAL_POLL_S = 3600.0
_LAG_POLL_S = 1.0
_PRICES_POLL_S = 10.0  # a mounted ConfigMap takes a minute to change anyway


def main(options: Options) -> int:
    """Run the controller until SIGTERM or SIGINT and return its exit status."""
    running.configure_logging(options.log_format)
    try:
        asyncio.run(_run(options))
    except errors.ConfigError as error:
        for problem in error.problems:
            log.error("configuration refused", file=error.file, problem=str(problem))
        return 2
    return 0


async def _run(options: Options) -> None:
    known = prices.load(options.prices) if options.prices is not None else None
    kube = await Kube.connect(str(options.kubeconfig) if options.kubeconfig else None, options.kube_context)
    try:
        daemon = _Daemon(options, kube, telemetry=Telemetry(prices=known))
        ProcessCollector(registry=daemon.telemetry.registry)
        kube.on_answer = daemon.telemetry.asked
        async with daemon.helpers():
            await daemon.run()
    finally:
        await kube.close()


@dataclass
class _Daemon:
    """The parts, and how they hang together."""

    options: Options
    kube: Kube
    telemetry: Telemetry
    tls: serving.ServingTls = field(default_factory=serving.ServingTls)
    stopping: bool = False

    def __post_init__(self) -> None:
        options, kube = self.options, self.kube
        self.view = View(kube, namespaces=options.watch_namespaces, read_s=options.pace.read_s)
        self.recorder = Recorder(options.record, max_bytes=_RECORD_BYTES) if options.record is not None else None
        self.leadership = Leadership(kube, options.namespace, LEASE, options.identity)
        self.history = _history(options.foresight)
        self.refitter = _refitter(options.foresight)
        self.page = self._listener()
        self.anticipation = OnDemand(self._forecasts, kept=options.foresight.state_file)
        self.controller = Controller(
            kube=kube,
            view=self.view,
            memories=Memories(kube, options.namespace, may_write=self.leadership.holds),
            telemetry=self.telemetry,
            fence=self.leadership.holds,
            pace=options.pace,
            recorder=self.recorder,
            anticipation=self.anticipation,
            audience=self.page.board if self.page is not None else None,
        )
        for name, health in self.view.health().items():
            self.telemetry.watching(name, health)
        self.endpoint = endpoint.Endpoint(
            authenticator=authn.Authenticator(partial(reviews.token_review, kube)),
            authorizer=authz.Authorizer(partial(reviews.subject_access_review, kube)),
            checks=self._checks,
            render=self.telemetry.render,
        )

    @contextlib.asynccontextmanager
    async def helpers(self) -> AsyncIterator[None]:
        """Let what works beside the loop end in order."""
        async with contextlib.AsyncExitStack() as ending:
            if self.refitter is not None:
                await ending.enter_async_context(self.refitter)
            if self.history is not None:
                ending.push_async_callback(self.history.close)
            yield

    async def run(self) -> None:
        """Start everything, steer or stand by until a signal comes, and stop in order."""
        options = self.options
        stop = running.stop_on_signal()
        async with asyncio.TaskGroup() as group:
            tasks = [
                self._start(group, "watch the cluster", self.view.run),
                self._start(group, "serving certificate", self._certificate()),
                self._start(group, "event loop lag", self._lag),
            ]
            if options.prices is not None:
                tasks.append(self._start(group, "watch prices", partial(watch_prices, options.prices, self.telemetry)))
            running.spare_reads()
            async with (
                serving.serve(
                    self.endpoint.handle,
                    host=options.address,
                    port=options.port,
                    tls=self.tls,
                    on_drain=self._drain,
                    drain_s=options.drain_s,
                ) as listening,
                self.page.serve(self.tls) if self.page is not None else contextlib.nullcontext(),
            ):
                log.info("serving", address=options.address, port=listening.port)
                leading = self._start(group, "lead", partial(self.leadership.run, self._lead))
                await stop.wait()
                log.info("stopping", leading=self.leadership.holds())
                # The lease goes first: the standby need not wait for it to run out.
                leading.cancel()
                await asyncio.wait([leading])
            for task in tasks:
                task.cancel()
        if self.recorder is not None:
            self.recorder.close()
        log.info("stopped")

    async def _lead(self) -> None:
        self.telemetry.leading(leads=True)
        try:
            await self.view.synced()
            await self.controller.lead()
        finally:
            self.telemetry.leading(leads=False)
            if self.page is not None:
                self.page.board.ended()

    def _listener(self) -> "Listener | None":
        """Return what serves the web page, where one is asked for: nothing of it is imported otherwise."""
        options = self.options
        if options.page is None:
            return None
        from autoscaler.page.listener import Listener

        leadership = self.leadership
        made = Listener(options.page, options, self.kube, leads=leadership.holds, leader=lambda: leadership.leader)
        self.view.scalers.on_document = made.board.heard
        return made

    async def _forecasts(self) -> Forecasts:
        make = await asyncio.to_thread(_making)
        return make(self.options.foresight, history=self.history, refitter=self.refitter, telemetry=self.telemetry)

    def _drain(self) -> None:
        self.stopping = True

    def _checks(self) -> list[endpoint.Check]:
        return [
            ("not-stopping", not self.stopping, "shutting down"),
            ("serving-certificate", self.tls.ready, "no certificate yet"),
            *self.view.checks(),
        ]

    def _start(self, group: asyncio.TaskGroup, name: str, part: Callable[[], Awaitable[object]]) -> asyncio.Task[None]:
        return group.create_task(running.keep_running(name, part), name=name)

    def _certificate(self) -> Callable[[], Awaitable[object]]:
        options = self.options
        if options.tls_cert_file is not None and options.tls_key_file is not None:
            return serving.CertificateFiles(self.tls, cert_file=options.tls_cert_file, key_file=options.tls_key_file).watch
        return self._own_certificate

    async def _own_certificate(self) -> None:
        names = certificates.service_names(self.options.service, self.options.namespace)
        renew_at = 0.0
        while True:
            if time.time() >= renew_at:
                pair = endpoint.self_signed(names, now=time.time())
                self.tls.set_certificate(pair)
                renew_at = certificates.renew_at(pair.cert_pem, self.options.identity)
            await asyncio.sleep(_RENEWAL_POLL_S)

    async def _lag(self) -> None:
        while True:
            due = time.monotonic() + _LAG_POLL_S
            await asyncio.sleep(_LAG_POLL_S)
            self.telemetry.loop_lag.set(max(0.0, time.monotonic() - due))


def _making() -> "Callable[..., Anticipation]":
    from autoscaler.anticipate import making  # numpy, and all that forecasts

    return making.anticipation


def _refitter(foresight: Foresight) -> "Refitter | None":
    if not foresight.refit_hours:
        return None
    from autoscaler.refit import Refitter

    return Refitter()


def _history(foresight: Foresight) -> "PrometheusHistory | None":
    if not foresight.history_url:
        return None
    from autoscaler.history import PrometheusHistory

    auth = Auth(bearer_token_file=foresight.history_token_file)
    return PrometheusHistory(foresight.history_url, auth=auth, tls=Tls(ca_file=foresight.history_ca_file))


async def watch_prices(path: Path, telemetry: Telemetry) -> None:
    """Have *telemetry* count at the prices in the file at *path* whenever they change; bad ones are refused, and the last stay."""
    refused: tuple[errors.Problem, ...] = ()
    while True:
        await asyncio.sleep(_PRICES_POLL_S)
        try:
            found = prices.load(path)
        except errors.ConfigError as error:
            if error.problems != refused:
                refused = error.problems
                problems = [str(problem) for problem in refused]
                log.error("prices refused, the last good ones stay", file=error.file, problems=problems)
            continue
        refused = ()
        if found != telemetry.prices:
            telemetry.prices = found
            log.info("prices loaded", file=str(path), currency=found.currency, products=len({of.gpu for of in found.per_hour}))
