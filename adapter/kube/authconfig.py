"""Whom the API server's front proxy may speak for, as the cluster itself publishes it, watched so that rotation is seen.

A cluster that publishes only part of it is common (managed ones leave the request-header keys out), and a value that cannot
be read must not lock everybody out: both are told in `AuthConfig.problem`, and the last value that made sense stays.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

import msgspec
import structlog
from cryptography import x509

from adapter.kube.watch import Health, Pacing, Reads, Reflector

NAMESPACE = "kube-system"
NAME = "extension-apiserver-authentication"

_WHERE = f"ConfigMap {NAMESPACE}/{NAME}"
_KEPT = "the last good values stay"

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class AuthConfig:
    """What the ConfigMap says. Certificates are PEM bundles; None means not published, and then nobody is believed by it.

    An empty *allowed_names* allows any common name that the request-header CA has signed, as the API server itself defines it.
    """

    client_ca_pem: str | None = None
    requestheader_ca_pem: str | None = None
    allowed_names: tuple[str, ...] = ()
    username_headers: tuple[str, ...] = ()
    uid_headers: tuple[str, ...] = ()
    group_headers: tuple[str, ...] = ()
    extra_header_prefixes: tuple[str, ...] = ()
    problem: str = ""  # what is missing or broken, in a sentence; empty when nothing is


class _Metadata(msgspec.Struct):
    name: str = ""


class _ConfigMap(msgspec.Struct):
    metadata: _Metadata
    data: dict[str, str] | None = None


_CONFIG_MAP = msgspec.json.Decoder(_ConfigMap)
_NAMES = msgspec.json.Decoder(list[str])

_CLIENT_CA = "client-ca-file"
_FRONT_PROXY_CA = "requestheader-client-ca-file"
_USERNAMES = "requestheader-username-headers"


def parse(data: Mapping[str, str]) -> AuthConfig:
    """Return what *data* says. Raises `ValueError`, with every value that is broken; what is absent is a `problem` only."""
    broken: list[str] = []

    def certificates(key: str) -> str | None:
        pem = data.get(key) or None
        if pem is not None:
            try:
                x509.load_pem_x509_certificates(pem.encode())
            except ValueError:
                broken.append(f"{key} is not a bundle of PEM certificates")
        return pem

    def names(key: str) -> tuple[str, ...]:
        try:
            return tuple(_NAMES.decode(data.get(key) or "[]"))
        except msgspec.DecodeError:
            broken.append(f"{key} is not a JSON array of strings")
            return ()

    absent = [key for key in (_FRONT_PROXY_CA, _USERNAMES) if not data.get(key)]
    config = AuthConfig(
        client_ca_pem=certificates(_CLIENT_CA),
        requestheader_ca_pem=certificates(_FRONT_PROXY_CA),
        allowed_names=names("requestheader-allowed-names"),
        username_headers=names(_USERNAMES),
        uid_headers=names("requestheader-uid-headers"),  # since Kubernetes 1.32
        group_headers=names("requestheader-group-headers"),
        extra_header_prefixes=names("requestheader-extra-headers-prefix"),
        problem=f"{_WHERE} lacks {' and '.join(absent)}: nobody is known by the front proxy" if absent else "",
    )
    if broken:
        raise ValueError("; ".join(broken))
    return config


@dataclass(slots=True, kw_only=True)
class AuthConfigWatch:
    """Keeps `current` equal to the ConfigMap, and calls *on_change* on the loop whenever it becomes another."""

    kube: Reads
    on_change: Callable[[AuthConfig], None]
    pacing: Pacing = field(default_factory=Pacing)
    health: Health = field(default_factory=Health, init=False)
    current: AuthConfig = field(default=AuthConfig(problem=f"{_WHERE} has not been read yet"), init=False)

    async def run(self) -> None:
        """Watch until cancelled."""
        await Reflector(
            kube=self.kube,
            path=f"/api/v1/namespaces/{NAMESPACE}/configmaps",
            decode=_CONFIG_MAP.decode,
            on_replace=self._replace,
            on_put=self._take,
            on_remove=self._lost,
            field_selector=f"metadata.name={NAME}",
            pacing=self.pacing,
            health=self.health,
        ).run()

    def _replace(self, found: list[_ConfigMap]) -> None:
        for each in found:
            self._take(each)
        if not found:
            self._keep(f"{_WHERE} does not exist")

    def _take(self, config_map: _ConfigMap) -> None:
        try:
            self._become(parse(config_map.data or {}))
        except ValueError as exc:
            self._keep(f"{_WHERE}: {exc}")

    def _lost(self, _: _ConfigMap) -> None:
        self._keep(f"{_WHERE} was deleted")  # the API server puts it back within a minute

    def _keep(self, problem: str) -> None:
        has_values = self.current.client_ca_pem or self.current.requestheader_ca_pem
        self._become(replace(self.current, problem=f"{problem}; {_KEPT}" if has_values else problem))

    def _become(self, config: AuthConfig) -> None:
        if config == self.current:
            return
        self.current = config
        if config.problem:
            log.warning("front-proxy authentication", problem=config.problem)
        self.on_change(config)
