"""The adapter as a process: the one place where its parts are put together, started and stopped.

Every part is a task of one group. A part that fails is logged and started again: it never stops the others.
"""

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from importlib import metadata
from pathlib import Path

import structlog
from prometheus_client import ProcessCollector

from adapter import certificates, errors, running, serving, settings
from adapter.api import authn, authz, paths
from adapter.api.app import App, Check
from adapter.collect import Collector, Plan
from adapter.kube import authconfig, registration, reviews, servingca
from adapter.kube.client import Kube
from adapter.kube.endpoints import Endpoints
from adapter.kube.workloads import Workloads
from adapter.sources import Source, targets
from adapter.sources.prometheus import PrometheusSource
from adapter.sources.scrape import ScrapeSource
from adapter.telemetry import Telemetry
from adapter.workload import Inventory

log = structlog.get_logger("adapter")

_CONFIG_POLL_S = 1.0
_LAG_POLL_S = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """What the command line says."""

    config: Path
    address: str
    port: int
    service: str
    namespace: str
    replica: str
    external: bool
    tls_cert_file: Path | None
    tls_key_file: Path | None
    kubeconfig: Path | None
    kube_context: str | None
    watch_namespaces: tuple[str, ...] = ()
    drain_s: float = 10.0
    log_format: str = "json"

    def groups(self) -> paths.Groups:
        """Return the API groups to serve."""
        return paths.Groups(external=paths.EXTERNAL_GROUP if self.external else None)

    def apiservices(self) -> tuple[str, ...]:
        """Return the APIServices that send the API server's readers to us."""
        return tuple(f"{version}.{group}" for group, versions in self.groups().versions().items() for version in versions)


def main(options: Options) -> int:
    """Run the adapter until SIGTERM or SIGINT and return its exit status."""
    running.configure_logging(options.log_format)
    try:
        asyncio.run(_run(options))
    except errors.ConfigError as error:
        for problem in error.problems:
            log.error("configuration refused", file=error.file, problem=str(problem))
        return 2
    return 0


async def _run(options: Options) -> None:
    read = settings.load(options.config)
    kube = await Kube.connect(str(options.kubeconfig) if options.kubeconfig else None, options.kube_context)
    try:
        daemon = _Daemon(options, kube)
        ProcessCollector(registry=daemon.telemetry.registry)
        await daemon.run(read)
    finally:
        await kube.close()


@dataclass
class _Daemon:
    """The parts, and how they hang together."""

    options: Options
    kube: Kube
    telemetry: Telemetry = field(default_factory=Telemetry)
    inventory: Inventory = field(default_factory=Inventory)
    tls: serving.ServingTls = field(default_factory=serving.ServingTls)

    def __post_init__(self) -> None:
        options, kube = self.options, self.kube
        self.collector = Collector(self.telemetry, shared_nodes=self.inventory.shared_nodes)
        self.workloads = Workloads(kube=kube, inventory=self.inventory, namespaces=options.watch_namespaces)
        self.registration = registration.Registration(
            kube, namespace=options.namespace, service=options.service, apiservices=options.apiservices()
        )
        self.authenticator = authn.Authenticator(partial(reviews.token_review, kube))
        self.authorizer = authz.Authorizer(partial(reviews.subject_access_review, kube))
        self.auth_config = authconfig.AuthConfigWatch(kube=kube, on_change=self._trust)
        self.draining = False
        self.endpoints: dict[str, Endpoints] = {}
        self._watching: dict[str, asyncio.Task[None]] = {}
        self.app = App(
            collector=self.collector,
            inventory=self.inventory,
            authenticator=self.authenticator,
            authorizer=self.authorizer,
            telemetry=self.telemetry,
            groups=options.groups(),
            version=metadata.version("leadtime"),
            checks=self._checks,
        )

    async def run(self, read: settings.Settings) -> None:
        """Start everything, serve until a signal comes, and stop in order."""
        options = self.options
        stop = running.stop_on_signal()
        async with asyncio.TaskGroup() as group:
            self.group = group
            self._apply(read)
            tasks = [
                self._start("watch workloads", self.workloads.run),
                self._start("watch authentication", self.auth_config.run),
                self._start("collect", self.collector.run),
                self._start("watch configuration", self._watch_configuration),
                self._start("serving certificate", self._certificate()),
                self._start("event loop lag", self._lag),
            ]
            running.spare_reads()
            async with serving.serve(
                self.app.handle,
                host=options.address,
                port=options.port,
                tls=self.tls,
                on_drain=self._drain,
                drain_s=options.drain_s,
            ) as listening:
                log.info("serving", address=options.address, port=listening.port, groups=list(options.groups().versions()))
                await stop.wait()
                log.info("stopping", drain_s=options.drain_s)
            for task in (*tasks, *self._watching.values()):
                task.cancel()
        await self.authenticator.close()
        await self.authorizer.close()
        for source in self.collector.plan.sources:
            await source.close()
        log.info("stopped")

    def _drain(self) -> None:
        self.draining = True

    def _start(self, name: str, part: Callable[[], Awaitable[object]]) -> asyncio.Task[None]:
        return self.group.create_task(running.keep_running(name, part), name=name)

    def _checks(self) -> Sequence[Check]:
        trusted = self.auth_config.health.synced
        return (
            Check("not-draining", not self.draining, "shutting down"),
            Check("serving-certificate", self.tls.ready, "no certificate yet"),
            Check("authentication-config", trusted, self.auth_config.current.problem),
            Check("pods", self.inventory.synced, "the first list of pods is not complete"),
        )

    def _trust(self, config: authconfig.AuthConfig) -> None:
        self.authenticator.configure(config)
        try:
            self.tls.set_client_cas(config.requestheader_ca_pem, config.client_ca_pem)
        except ValueError as error:
            log.error("client CAs not taken over", problem=str(error))
        for problem in self.authenticator.problems:
            log.warning("front-proxy authentication", problem=problem)

    def _certificate(self) -> Callable[[], Awaitable[object]]:
        options = self.options
        if options.tls_cert_file is not None and options.tls_key_file is not None:
            files = serving.CertificateFiles(self.tls, cert_file=options.tls_cert_file, key_file=options.tls_key_file)
            return files.watch
        own = servingca.ServingCa(
            self.kube,
            namespace=options.namespace,
            service=options.service,
            replica=options.replica,
            publish=self.registration.publish,
            install=self._install,
        )
        return own.run

    def _install(self, pair: certificates.Pair) -> None:
        self.tls.set_certificate(pair)
        self.telemetry.certificate_expiry.set(certificates.validity(pair.cert_pem)[1])

    async def _watch_configuration(self) -> None:
        """Take over a changed file within a second or two; a bad one is refused, and the last good one stays in force."""
        path = self.options.config
        seen = _content(path)
        while True:
            await asyncio.sleep(_CONFIG_POLL_S)
            found = _content(path)
            if found == seen:
                continue
            seen = found
            try:
                self._apply(settings.load(path))
            except errors.ConfigError as error:
                self.telemetry.config_ok.set(0)
                problems = [str(problem) for problem in error.problems]
                log.error("configuration refused, the last good one stays", file=error.file, problems=problems)
            except Exception:
                self.telemetry.config_ok.set(0)
                log.exception("configuration not taken over, the last good one stays", file=str(path))
            else:
                log.info("configuration loaded", file=str(path), rules=len(self.collector.plan.rules))

    def _apply(self, read: settings.Settings) -> None:
        """Put *read* in force: sources that are unchanged go on as they are, with their connections and what they remember."""
        running = {source.name: source for source in self.collector.plan.sources}
        before = {told.name: told for told in self._told}
        sources = tuple(running[told.name] if before.get(told.name) == told else self._source(told) for told in read.sources)
        self._watch_endpoints(read)
        self.collector.reconfigure(Plan(sources, read.rules))
        self._told = read.sources
        self.telemetry.keep_rules(frozenset(rule.name for rule in read.rules))
        self.telemetry.config_ok.set(1)

    _told: tuple[settings.SourceSettings, ...] = ()

    def _source(self, told: settings.SourceSettings) -> Source:
        if isinstance(told, settings.PrometheusSource):
            return PrometheusSource(told.name, told.settings)
        return ScrapeSource(told.name, told.settings, self._targets(told))

    def _targets(self, told: settings.ScrapeSource) -> targets.Targets:
        if told.pods is not None:
            pods = told.pods
            return targets.pod_targets(self.inventory, told.page, namespaces=pods.namespaces, wanted=pods.selector, port=pods.port)
        if told.endpoints is not None:
            name = told.name
            return targets.endpoint_targets(lambda: self.endpoints[name].snapshot, told.page)
        return targets.static_targets(told.static, told.page)

    def _watch_endpoints(self, read: settings.Settings) -> None:
        wanted = {
            told.name: told.endpoints
            for told in read.sources
            if isinstance(told, settings.ScrapeSource) and told.endpoints is not None
        }
        for name in list(self._watching):
            watched = self.endpoints[name]
            place = wanted.get(name)
            if place is None or (place.namespace, place.service, place.port) != (watched.namespace, watched.service, watched.port):
                self._watching.pop(name).cancel()
                del self.endpoints[name]
        for name, place in wanted.items():
            if name not in self._watching:
                watch = Endpoints(kube=self.kube, namespace=place.namespace, service=place.service, port=place.port)
                self.endpoints[name] = watch
                self._watching[name] = self._start(f"watch endpoints of {place.service}", watch.run)

    async def _lag(self) -> None:
        while True:
            due = time.monotonic() + _LAG_POLL_S
            await asyncio.sleep(_LAG_POLL_S)
            self.telemetry.loop_lag.set(max(0.0, time.monotonic() - due))


def _content(path: Path) -> bytes | None:
    """Return the file's content, None while it cannot be read: a mounted ConfigMap is swapped by renaming links."""
    with contextlib.suppress(OSError):
        return path.read_bytes()
    return None
