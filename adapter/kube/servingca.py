"""Our own CA and serving certificate, shared by all replicas through one Secret.

Whoever comes first creates the Secret; whoever first finds something due renews it, by the Secret's resource version, so that two
never do it at once; everyone else reads. A new CA is first published beside the old one, and only when the API servers have had
time to see that is a certificate served that it signed: at no moment does a replica present what a reader does not trust.
"""

import asyncio
import base64
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from http import HTTPStatus
from typing import Any

import msgspec
import structlog
from cryptography.exceptions import UnsupportedAlgorithm

from adapter import certificates
from adapter.certificates import Pair
from adapter.errors import ApiServerError
from adapter.kube.registration import NotOursError, Published, Requests

SECRET = "leadtime-adapter-tls"  # noqa: S105 - a name

_ATTEMPTS = 5  # at a write that others keep overtaking, before the next round

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Material:
    """What the Secret holds: the CA that signs now, every CA that is to be trusted (that one first), and what is served."""

    authority: Pair
    bundle_pem: bytes
    serving: Pair


class ServingCa:
    """Keeps the Secret, the APIServices and our listener in step.

    *publish* writes a CA bundle into our APIServices, *install* gives the listener a certificate. *replica* is our pod's name.
    *settle_s* is how long API servers may take to see a bundle that has been written. `problem` says what the last round met.
    """

    def __init__(
        self,
        kube: Requests,
        *,
        namespace: str,
        service: str,
        replica: str,
        publish: Callable[[bytes], Awaitable[Published]],
        install: Callable[[Pair], None],
        secret: str = SECRET,
        settle_s: float = 10.0,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._kube = kube
        self._secret = secret
        self._path = f"/api/v1/namespaces/{namespace}/secrets"
        self._names = certificates.service_names(service, namespace)
        self._replica = replica
        self._publish = publish
        self._install = install
        self._settle_s = settle_s
        self._clock = clock
        self._last: Material | None = None
        self._installed: Pair | None = None
        self._carried: bytes | None = None
        self._carried_since = 0.0
        self._overtaken = False
        self.problem = ""

    async def run(self, *, poll_s: float = 10.0, retry_s: float = 1.0) -> None:
        """Do a round every *poll_s* seconds until cancelled, the next one after *retry_s* if others overtook our writing.

        What we serve stays as it is while the API server is away.
        """
        while True:
            before, self._overtaken = self.problem, False
            try:
                self.problem = "; ".join(await self.step())
            except ApiServerError as exc:
                self.problem = str(exc)
            if self.problem and self.problem != before:
                log.warning("certificates not all in order", problem=self.problem)
            await asyncio.sleep(retry_s if self._overtaken else poll_s)

    async def step(self) -> tuple[str, ...]:
        """Do one round and return what an operator should put right. Raises `ApiServerError` if the Secret cannot be kept."""
        now = self._clock()
        material, secret = await self._settled(now)
        self._use(material)
        try:
            published = await self._publish(material.bundle_pem)
        except (ApiServerError, NotOursError) as exc:
            published = Published(complete=False, problems=(str(exc),))
        # At start-up every replica writes the same bundle, and the API server its conditions: whoever lost that race is soon done.
        self._overtaken = not published.complete and not published.problems
        if self._due(material, self._carried_for(material.bundle_pem, published, now), now):
            renewed = replace(material, serving=certificates.issue(material.authority, self._names, now=now))
            if await self._write(secret, renewed):
                log.info("serving certificate renewed", secret=self._secret)
                self._use(renewed)
        return published.problems

    async def _settled(self, now: float) -> tuple[Material, dict[str, Any]]:
        """Return what the Secret holds once it exists, can be read and has a CA that is not due; with the Secret itself."""
        for _ in range(_ATTEMPTS):
            secret = await self._read()
            if secret is None:
                await self._create(self._anew(now))
                continue
            material = _parse(secret)
            if material is None:
                log.error("Secret cannot be used, its contents are made anew", secret=self._secret)
                await self._write(secret, self._anew(now))
                continue
            kept = self._with_current_authority(material, now)
            if kept == material:
                return material, secret
            await self._write(secret, kept)
        raise ApiServerError(HTTPStatus.CONFLICT, f"Secret {self._secret} is being changed by others all the time")

    def _anew(self, now: float) -> Material:
        """Return new material; what we serve already stays served, and trusted, until the new CA is known."""
        authority = certificates.create_authority(f"{self._names[0]} CA", now=now)
        if self._last is None or self._unusable(self._last.serving, now):
            serving = certificates.issue(authority, self._names, now=now)
            return Material(authority=authority, bundle_pem=authority.cert_pem, serving=serving)
        return replace(
            self._last, authority=authority, bundle_pem=certificates.bundle(authority.cert_pem, self._last.bundle_pem, now=now)
        )

    def _with_current_authority(self, material: Material, now: float) -> Material:
        """Return *material* with a new CA beside the old one if that is due, and without CAs that have expired."""
        if now < certificates.renew_at(material.authority.cert_pem, self._replica):
            return replace(material, bundle_pem=certificates.bundle(material.bundle_pem, now=now))
        authority = certificates.create_authority(f"{self._names[0]} CA", now=now)
        log.info("certificate authority renewed", secret=self._secret)
        trusted = certificates.bundle(authority.cert_pem, material.bundle_pem, now=now)
        return replace(material, authority=authority, bundle_pem=trusted)

    def _carried_for(self, bundle_pem: bytes, published: Published, now: float) -> float:
        """Return for how many seconds our APIServices have carried *bundle_pem*."""
        if not published.complete:
            self._carried = None
            return 0.0
        if self._carried != bundle_pem:
            self._carried, self._carried_since = bundle_pem, now
        return now - self._carried_since

    def _due(self, material: Material, carried_s: float, now: float) -> bool:
        """Return whether a serving certificate is to be issued now, of a CA that has been published for *carried_s* seconds."""
        serving = material.serving
        if self._unusable(serving, now):
            return True
        if not certificates.trusts(material.authority.cert_pem, serving.cert_pem):
            return carried_s >= self._settle_s
        return now >= certificates.renew_at(serving.cert_pem, self._replica)

    def _unusable(self, serving: Pair, now: float) -> bool:
        return now >= certificates.validity(serving.cert_pem)[1] or not certificates.covers(serving.cert_pem, self._names)

    def _use(self, material: Material) -> None:
        self._last = material
        if material.serving != self._installed:
            self._install(material.serving)
            self._installed = material.serving

    async def _read(self) -> dict[str, Any] | None:
        try:
            body = await self._kube.request("GET", f"{self._path}/{self._secret}")
        except ApiServerError as exc:
            if exc.status == HTTPStatus.NOT_FOUND:
                return None
            raise
        try:
            return msgspec.json.decode(body, type=dict[str, Any])
        except msgspec.DecodeError:
            # Not chained: a decoder's error may quote what it read, and that is a key.
            raise ApiServerError(0, f"Secret {self._secret} cannot be decoded") from None

    async def _create(self, material: Material) -> None:
        metadata = {"name": self._secret, "labels": {"app.kubernetes.io/name": "leadtime-adapter"}}
        secret = {
            "apiVersion": "v1",
            "kind": "Secret",
            "type": "kubernetes.io/tls",
            "metadata": metadata,
            "data": _data(material),
        }
        if await self._sent("POST", self._path, secret, overtaken=(HTTPStatus.CONFLICT,)):
            log.info("Secret created", secret=self._secret)

    async def _write(self, secret: dict[str, Any], material: Material) -> bool:
        """Return whether *material* was written into *secret* as it was read; not so if somebody changed or deleted it since."""
        changed = {**secret, "data": _data(material)}
        return await self._sent(
            "PUT", f"{self._path}/{self._secret}", changed, overtaken=(HTTPStatus.CONFLICT, HTTPStatus.NOT_FOUND)
        )

    async def _sent(self, method: str, path: str, secret: dict[str, Any], *, overtaken: tuple[int, ...]) -> bool:
        try:
            await self._kube.request(method, path, body=secret)
        except ApiServerError as exc:
            if exc.status in overtaken:
                return False
            raise
        return True


def _data(material: Material) -> dict[str, str]:
    contents = {
        "tls.crt": material.serving.cert_pem,
        "tls.key": material.serving.key_pem,
        "ca.crt": material.bundle_pem,
        "ca.key": material.authority.key_pem,
    }
    return {key: base64.b64encode(value).decode() for key, value in contents.items()}


def _parse(secret: dict[str, Any]) -> Material | None:
    """Return the Secret's material, None if it is incomplete or its keys and certificates do not belong together."""
    try:
        contents = {key: base64.b64decode(value) for key, value in (secret.get("data") or {}).items()}
        trusted = certificates.split(contents["ca.crt"])
        material = Material(
            authority=Pair(trusted[0], contents["ca.key"]),
            bundle_pem=b"".join(trusted),
            serving=Pair(contents["tls.crt"], contents["tls.key"]),
        )
        certificates.check(material.authority)
        certificates.check(material.serving)
        belongs = certificates.trusts(material.bundle_pem, material.serving.cert_pem)
    except (KeyError, IndexError, TypeError, ValueError, UnsupportedAlgorithm):  # base64 and PEM raise kinds of ValueError
        return None
    return material if belongs else None
