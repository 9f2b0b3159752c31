"""Setting the replicas: one write on ``/scale`` that only counts if nobody was faster."""

from http import HTTPStatus

import msgspec

from adapter.errors import ApiServerError
from autoscaler.cluster.requests import MERGE_PATCH, Requests
from autoscaler.errors import AutoscalerError, TargetError
from autoscaler.resource.scaler import MANAGER
from autoscaler.seen import TargetSeen

_TIMEOUT_S = 5.0  # an API server that takes longer is in no state to be asked again at once


class ConflictError(AutoscalerError):
    """Somebody else set the replicas from *expected* to *found* while we decided; nothing was written."""

    def __init__(self, target: TargetSeen, found: int) -> None:
        self.target = target
        self.expected = target.replicas
        self.found = found
        super().__init__(
            f"{target.ref} has {found} replicas, and {target.replicas} when it was decided on: somebody else set them meanwhile;"
            " they stand until the next decision"
        )


class _Metadata(msgspec.Struct, rename="camel"):
    uid: str = ""
    resource_version: str = ""


class _Spec(msgspec.Struct):
    replicas: int = 0  # left out when it is 0


class _Scale(msgspec.Struct):
    metadata: _Metadata
    spec: _Spec = msgspec.field(default_factory=_Spec)


_SCALE = msgspec.json.Decoder(_Scale)


async def scale(kube: Requests, target: TargetSeen, replicas: int) -> str:
    """Set *target*'s replicas and return its new resourceVersion.

    A change of anything but the replicas since *target* was seen does not stand in the way. Raises `ConflictError` when somebody
    else set them, `TargetError` when only a person can help (gone, forbidden, refused), and `ApiServerError` when waiting helps.
    """
    try:
        try:
            return await _patch(kube, target, replicas, target.resource_version)
        except ApiServerError as exc:
            if exc.status != HTTPStatus.CONFLICT:
                raise
        now = _decoded(await kube.request("GET", f"{target.path}/scale", timeout_s=_TIMEOUT_S), target)
        if target.uid and now.metadata.uid != target.uid:
            raise TargetError("TargetReplaced", f"{target.ref} was deleted and created again: the next decision is on the new one")
        if now.spec.replicas == replicas:
            return now.metadata.resource_version  # an earlier write of ours came through, and only its answer did not
        if now.spec.replicas != target.replicas:
            raise ConflictError(target, now.spec.replicas)
        return await _patch(kube, target, replicas, now.metadata.resource_version)
    except ApiServerError as exc:
        if (problem := _lasting(exc, target)) is not None:
            raise problem from exc
        raise


async def _patch(kube: Requests, target: TargetSeen, replicas: int, version: str) -> str:
    body = {"metadata": {"resourceVersion": version}, "spec": {"replicas": replicas}}
    answer = await kube.request(
        "PATCH",
        f"{target.path}/scale",
        query={"fieldManager": MANAGER},
        body=body,
        content_type=MERGE_PATCH,
        timeout_s=_TIMEOUT_S,
    )
    return _decoded(answer, target).metadata.resource_version


def _decoded(body: bytes, target: TargetSeen) -> _Scale:
    try:
        return _SCALE.decode(body)
    except msgspec.DecodeError as exc:
        raise ApiServerError(0, f"{target.path}/scale cannot be read: {exc}") from exc


def _lasting(exc: ApiServerError, target: TargetSeen) -> TargetError | None:
    """Return what a person has to mend, or None where it may pass by itself: 409, 429, 5xx, no answer."""
    match exc.status:
        case HTTPStatus.NOT_FOUND | HTTPStatus.METHOD_NOT_ALLOWED:
            return TargetError("TargetNotFound", f"{target.ref} does not exist, or its kind has no /scale: {exc.detail}")
        case HTTPStatus.FORBIDDEN:
            return TargetError(
                "ScaleForbidden",
                f"{target.ref} may not be scaled by us: bind the ClusterRole leadtime-autoscaler-act; for other kinds, add one"
                f" that is labelled rbac.leadtime.dev/aggregate-to-act, as in examples/rbac ({exc.detail})",
            )
        case HTTPStatus.BAD_REQUEST | HTTPStatus.UNPROCESSABLE_ENTITY:
            return TargetError("ScaleRefused", f"{target.ref} refuses the number of replicas: {exc.detail}")
        case _:
            return None
