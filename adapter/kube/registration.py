"""Our APIServices: who owns them, and that the API server can verify us through them.

A group and version of the API has one owner in a cluster, and taking it from another adapter breaks every HPA that reads there
without a word. So an APIService is changed only after its service is seen to be ours, and then only its ``caBundle``.
"""

import base64
import binascii
from collections.abc import Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Protocol

import msgspec
import structlog

from adapter.errors import AdapterError, ApiServerError

_PATH = "/apis/apiregistration.k8s.io/v1/apiservices/"
_MERGE_PATCH = "application/merge-patch+json"

log = structlog.get_logger(__name__)


class NotOursError(AdapterError):
    """An APIService belongs to *owner*; nothing was changed."""

    def __init__(self, apiservice: str, owner: str) -> None:
        self.apiservice = apiservice
        self.owner = owner
        super().__init__(
            f"APIService {apiservice} belongs to {owner}: one adapter serves a group in a cluster; remove that one, or do not"
            " register this group here"
        )


class Requests(Protocol):
    """What is needed of a client; `client.Kube` is one."""

    async def request(self, method: str, path: str, *, body: object = None, content_type: str = "application/json") -> bytes:
        """Return the body of a 2xx answer or raise `ApiServerError`."""


@dataclass(frozen=True, slots=True)
class Published:
    """How far a CA bundle has come. *complete*: no API server will verify us by another, once it has seen what is written."""

    complete: bool
    problems: tuple[str, ...] = ()  # in words, for the operator


class _Metadata(msgspec.Struct, rename="camel"):
    resource_version: str = ""


class _ServiceRef(msgspec.Struct):
    namespace: str = ""
    name: str = ""


class _Spec(msgspec.Struct, rename={"ca_bundle": "caBundle", "insecure": "insecureSkipTLSVerify"}):
    service: _ServiceRef | None = None
    ca_bundle: str | None = None
    insecure: bool = False


class _APIService(msgspec.Struct):
    metadata: _Metadata
    spec: _Spec


class Registration:
    """Keeps the ``caBundle`` of *apiservices* right, which must point at the Service *namespace*/*service*."""

    def __init__(self, kube: Requests, *, namespace: str, service: str, apiservices: Sequence[str]) -> None:
        self._kube = kube
        self._namespace = namespace
        self._service = service
        self._apiservices = tuple(apiservices)

    async def check(self) -> tuple[str, ...]:
        """Return what an operator should put right. Raises `NotOursError` if one of ours is somebody else's."""
        found = await self._read()
        return tuple(problem for name, each in found.items() if (problem := _problem(name, each)))

    async def publish(self, bundle_pem: bytes) -> Published:
        """Have the API server verify us by *bundle_pem*, writing only what differs.

        Raises `NotOursError`, before anything is written, if one of the APIServices is somebody else's, and `ApiServerError`.
        """
        found = await self._read()
        complete = True
        for name, each in found.items():
            if each is not None and not each.spec.insecure and _decoded(each.spec.ca_bundle) != bundle_pem:
                complete = await self._patch(name, each, bundle_pem) and complete
        return Published(complete, tuple(problem for name, each in found.items() if (problem := _problem(name, each))))

    async def _read(self) -> dict[str, _APIService | None]:
        found = {name: await self._get(name) for name in self._apiservices}
        for name, each in found.items():
            if each is None:
                continue
            service = each.spec.service
            if service is None:
                raise NotOursError(name, "the API server itself")
            if (service.namespace, service.name) != (self._namespace, self._service):
                raise NotOursError(name, f"Service {service.namespace}/{service.name}")
        return found

    async def _get(self, name: str) -> _APIService | None:
        try:
            return _decode(await self._kube.request("GET", _PATH + name))
        except ApiServerError as exc:
            if exc.status == HTTPStatus.NOT_FOUND:
                return None
            raise

    async def _patch(self, name: str, seen: _APIService, bundle_pem: bytes) -> bool:
        """Return whether the bundle was written; not so if the APIService has changed since it was seen to be ours."""
        change = {
            "metadata": {"resourceVersion": seen.metadata.resource_version},
            "spec": {"caBundle": base64.b64encode(bundle_pem).decode()},
        }
        try:
            await self._kube.request("PATCH", _PATH + name, body=change, content_type=_MERGE_PATCH)
        except ApiServerError as exc:
            if exc.status == HTTPStatus.CONFLICT:
                return False
            raise
        log.info("caBundle written", apiservice=name)
        return True


def _problem(name: str, found: _APIService | None) -> str:
    if found is None:
        return f"APIService {name} does not exist: nobody is sent to us for it; apply the manifests"
    if found.spec.insecure:
        return f"APIService {name} sets insecureSkipTLSVerify, so whoever can answer in our place is believed: remove it"
    return ""


def _decode(body: bytes) -> _APIService:
    try:
        return msgspec.json.decode(body, type=_APIService)
    except msgspec.DecodeError as exc:
        raise ApiServerError(0, f"an APIService cannot be read: {exc}") from exc


def _decoded(ca_bundle: str | None) -> bytes | None:
    try:
        return base64.b64decode(ca_bundle, validate=True) if ca_bundle else None
    except binascii.Error:
        return None
