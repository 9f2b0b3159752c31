"""Small changes to many pods at once: each stands for itself, and one that fails holds up none of the others."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

from adapter.errors import ApiServerError
from autoscaler.cluster.requests import MERGE_PATCH, Requests
from autoscaler.resource.scaler import MANAGER
from autoscaler.seen import PodSeen

_AT_ONCE = 8  # for one target; a fleet's worth of them must not take the API server's share from everybody else
_TIMEOUT_S = 5.0
_PASSED_AWAY = (HTTPStatus.NOT_FOUND, HTTPStatus.CONFLICT)  # a pod that is gone, or another of its name


@dataclass(frozen=True, slots=True)
class PodPatch:
    """One change to one pod: *body* without the precondition that it is still the pod that was seen."""

    pod: PodSeen
    body: Mapping[str, Any]
    language: str = MERGE_PATCH
    subresource: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """Which pods are as they should be now, by name, and what went wrong with the others, in words."""

    done: frozenset[str] = frozenset()
    problems: tuple[str, ...] = ()


async def send(kube: Requests, patches: Sequence[PodPatch]) -> Outcome:
    """Send every patch, eight at a time. A pod that is gone by now is neither done nor a problem."""
    gate = asyncio.Semaphore(_AT_ONCE)

    async def one(patch: PodPatch) -> ApiServerError | None:
        async with gate:
            try:
                await _send(kube, patch)
            except ApiServerError as exc:
                return exc
        return None

    results = await asyncio.gather(*(one(patch) for patch in patches))
    refused = {patch.pod.name for patch, error in zip(patches, results, strict=True) if error is not None}
    return Outcome(
        done=frozenset(patch.pod.name for patch in patches) - refused,
        problems=tuple(
            f"pod {patch.pod.name}: {error}"
            for patch, error in zip(patches, results, strict=True)
            if error is not None and error.status not in _PASSED_AWAY
        ),
    )


async def _send(kube: Requests, patch: PodPatch) -> None:
    pod = patch.pod
    path = f"/api/v1/namespaces/{pod.namespace}/pods/{pod.name}"
    metadata = {**patch.body.get("metadata", {}), "uid": pod.uid}
    await kube.request(
        "PATCH",
        f"{path}/{patch.subresource}" if patch.subresource else path,
        query={"fieldManager": MANAGER},
        body={**patch.body, "metadata": metadata},
        content_type=patch.language,
        timeout_s=_TIMEOUT_S,
    )
