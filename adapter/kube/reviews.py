"""Ask the API server who a bearer token belongs to, and whether somebody may do something.

Both are plain questions, answered or failed: caching, and what an unanswered question means, are the caller's.
"""

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any, Protocol, TypeVar

import msgspec

from adapter.access import Attributes, Identity, NonResourceAttributes, ResourceAttributes
from adapter.errors import ApiServerError

_WHO = "/apis/authentication.k8s.io/v1/tokenreviews"
_MAY = "/apis/authorization.k8s.io/v1/subjectaccessreviews"

S = TypeVar("S")


class Posts(Protocol):
    """What a review needs of a client; `client.Kube` is one."""

    async def request(self, method: str, path: str, *, body: object = None, timeout_s: float = 10.0) -> bytes:
        """Return the body of a 2xx answer or raise `ApiServerError`."""


class _UserInfo(msgspec.Struct):
    username: str = ""
    uid: str = ""
    groups: list[str] | None = None
    extra: dict[str, list[str]] | None = None


class _TokenStatus(msgspec.Struct):
    authenticated: bool = False
    user: _UserInfo = msgspec.field(default_factory=_UserInfo)
    audiences: list[str] | None = None


class _TokenReview(msgspec.Struct):
    status: _TokenStatus


class _AccessStatus(msgspec.Struct, rename="camel"):
    allowed: bool = False
    denied: bool = False
    reason: str = ""
    evaluation_error: str = ""


class _SubjectAccessReview(msgspec.Struct):
    status: _AccessStatus


async def token_review(
    kube: Posts, token: str, audiences: Sequence[str] | None = None, *, timeout_s: float = 10.0
) -> Identity | None:
    """Return whose *token* it is, or None when the API server does not accept it.

    With *audiences* a token for none of them is not accepted, whatever the server says of it. Raises `ApiServerError`, which
    never holds the token.
    """
    spec: dict[str, Any] = {"token": token, **({"audiences": list(audiences)} if audiences else {})}
    body = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenReview", "spec": spec}
    try:
        answer = await kube.request("POST", _WHO, body=body, timeout_s=timeout_s)
    except ApiServerError as exc:
        # A server that chokes on a request may quote it; the chained original would carry it into a traceback.
        raise ApiServerError(exc.status, exc.detail.replace(token, "…") if token else exc.detail) from None
    status = _read(answer, _TokenReview).status
    if not status.authenticated or not status.user.username:
        return None
    if audiences and not set(audiences) & set(status.audiences or ()):
        return None
    extra = tuple(sorted((key, tuple(values)) for key, values in (status.user.extra or {}).items()))
    return Identity(status.user.username, status.user.uid, tuple(status.user.groups or ()), extra)


async def subject_access_review(
    kube: Posts, identity: Identity, attributes: Attributes, *, timeout_s: float = 10.0
) -> tuple[bool, str]:
    """Return whether the API server allows *identity* what *attributes* say, and its reason. Raises `ApiServerError`."""
    spec: dict[str, Any] = {"user": identity.user, "groups": list(identity.groups)}
    if identity.uid:
        spec["uid"] = identity.uid
    if identity.extra:
        spec["extra"] = {key: list(values) for key, values in identity.extra}
    match attributes:
        case ResourceAttributes():
            spec["resourceAttributes"] = {key: value for key, value in asdict(attributes).items() if value}
        case NonResourceAttributes():
            spec["nonResourceAttributes"] = {"verb": attributes.verb, "path": attributes.path}
    body = {"apiVersion": "authorization.k8s.io/v1", "kind": "SubjectAccessReview", "spec": spec}
    answer = await kube.request("POST", _MAY, body=body, timeout_s=timeout_s)
    status = _read(answer, _SubjectAccessReview).status
    reason = "; ".join(part for part in (status.reason, status.evaluation_error) if part)
    return status.allowed and not status.denied, reason


def _read(body: bytes, shape: type[S]) -> S:
    try:
        return msgspec.json.decode(body, type=shape)
    except msgspec.DecodeError as exc:
        raise ApiServerError(0, f"a review's answer cannot be read: {exc}") from exc
