"""What the metrics API says of each scaler's target. That nobody has a value is an answer, and no failure to read it."""

import asyncio
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from autoscaler.cli import reach

if TYPE_CHECKING:
    from adapter.errors import ApiServerError
    from adapter.kube.client import Kube

Document = dict[str, Any]
Value = float | None

METRICS = ("gpu_utilization", "gpu_memory_used_ratio", "inference_queue_size")
#: The kinds of targets that are read, as the metrics API calls them.
RESOURCES = {"Deployment": "deployments.apps", "StatefulSet": "statefulsets.apps"}

_ROOT = "/apis/custom.metrics.k8s.io/v1beta2"
_AT_ONCE = 8
_NAMED = 5


@dataclass(frozen=True, slots=True)
class Failure:
    """A value that could not be read."""

    kind: str
    """What all that failed in the same way have in common, such as the status."""
    detail: str
    remedy: str


@dataclass(frozen=True, slots=True)
class Reading:
    """A scaler, and what became of reading each of its target's metrics; empty where its kind is not read."""

    document: Document
    outcomes: Mapping[str, Value | Failure]

    @property
    def values(self) -> dict[str, Value]:
        """Return the value of each metric, None where none is known."""
        known = {name: value for name, value in self.outcomes.items() if not isinstance(value, Failure)}
        return {name: known.get(name) for name in METRICS}

    @property
    def target(self) -> Mapping[str, Any]:
        """Return its reference."""
        return (self.document.get("spec") or {}).get("scaleTargetRef") or {}


async def read(kube: "Kube", documents: Sequence[Document]) -> list[Reading]:
    """Return the metrics of the targets of *documents*, in their order. Raises nothing of the metrics API's."""
    turns = asyncio.Semaphore(_AT_ONCE)

    async def value(path: str) -> Value | Failure:
        async with turns:
            return await _value(kube, path)

    async def reading(document: Document) -> Reading:
        found = Reading(document, {})
        resource = RESOURCES.get(str(found.target.get("kind")))
        if resource is None:
            return found
        namespace, name = (quote(str(part), safe="") for part in (document["metadata"]["namespace"], found.target["name"]))
        where = f"{_ROOT}/namespaces/{namespace}/{resource}/{name}"
        values = await asyncio.gather(*(value(f"{where}/{metric}") for metric in METRICS))
        return Reading(document, dict(zip(METRICS, values, strict=True)))

    return list(await asyncio.gather(*(reading(document) for document in documents)))


def notes(readings: Sequence[Reading]) -> Iterator[str]:
    """Yield what to know of the values that are missing: a line for each way in which they failed, and one for kinds not read."""
    asked, failures = _asked(readings), _failures(readings)
    first = {failure.kind: failure for failure in reversed(failures)}
    for kind, count in Counter(failure.kind for failure in failures).items():
        yield f"{count} of {asked} values could not be read: {kind}: {first[kind].detail}; {first[kind].remedy}"
    unread = [_spelled(each) for each in readings if each.target.get("kind") not in RESOURCES]
    if unread:
        more = f" and {len(unread) - _NAMED} more" if len(unread) > _NAMED else ""
        yield f"metrics are read of a {' or a '.join(RESOURCES)} only, and so of none of {', '.join(unread[:_NAMED])}{more}"


def all_failed(readings: Sequence[Reading]) -> bool:
    """Return whether values were asked for and not one of them could be read, or be known not to be there."""
    return 0 < _asked(readings) == len(_failures(readings))


async def _value(kube: "Kube", path: str) -> Value | Failure:
    """Return the value of one metric, or None where there is none: `leadtime explain metric` says why of each."""
    from adapter.errors import ApiServerError
    from autoscaler.cluster import answers

    try:
        answer = answers.of_object(await kube.request("GET", path))
    except ApiServerError as error:
        remedy = _remedy(error)
        return None if remedy is None else Failure(str(error.status or "no answer"), error.detail, remedy)
    except answers.AnswerError as error:
        return Failure("no value in the answer", str(error), "`leadtime doctor` tells who serves the metrics API")
    return None if answer.total_milli is None else answer.total_milli / 1000


def _remedy(error: "ApiServerError") -> str | None:
    """Return what mends *error*, and None where nothing has to be: the metric has no value."""
    if error.status in {401, 403}:
        return "it takes the right to get *.custom.metrics.k8s.io in the target's namespace"
    if reach.unserved(error):
        return "there is no such metrics API here: `leadtime doctor` tells what is missing"
    if error.status == 404:
        return None
    return "`leadtime doctor` tells what is wrong with the metrics API"


def _asked(readings: Sequence[Reading]) -> int:
    return sum(len(each.outcomes) for each in readings)


def _failures(readings: Sequence[Reading]) -> list[Failure]:
    return [outcome for each in readings for outcome in each.outcomes.values() if isinstance(outcome, Failure)]


def _spelled(reading: Reading) -> str:
    return f"{reading.target.get('kind', '?')} {reading.document['metadata']['namespace']}/{reading.target.get('name', '?')}"
