"""What a metrics API answered: values in thousandths with the time of each, or why there are none. Pure: `metrics` does the asking.

Absence is never a zero. When a read fails, the values of the last good one stay with their own times, and `why` says what failed:
how old is too old is for the decision to say.
"""

import functools
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Annotated, TypeVar

import msgspec

from adapter import quantity

T = TypeVar("T")
Time = Annotated[datetime, msgspec.Meta(tz=True)]

_REMEMBERED = 4096  # texts, so that what was read once is not read again
_SHORT = 18  # digits: what int64 has, and more is hardly a metric


class AnswerError(Exception):
    """An answer has no values that can be used; the message says why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What one query was answered: each pod's value, or the total of an object or an external metric. Times are Unix seconds."""

    values: Mapping[str, tuple[int, float]] = field(default_factory=dict)  # by pod: thousandths, and when it was measured
    total_milli: int | None = None
    at: float | None = None  # of the oldest value
    why: str = ""  # why the last read gave no values; empty when it did
    tried: bool = True  # whether it has been asked for at all


class _Described(msgspec.Struct, gc=False):
    name: str


class _ObjectItem(msgspec.Struct, gc=False, rename="camel"):
    described_object: _Described
    timestamp: str
    value: str | int


class _ObjectList(msgspec.Struct, gc=False):
    items: list[_ObjectItem] | None = None


class _ExternalItem(msgspec.Struct, gc=False):
    timestamp: str
    value: str | int


class _ExternalList(msgspec.Struct, gc=False):
    items: list[_ExternalItem] | None = None


_OBJECTS = msgspec.json.Decoder(_ObjectList)
_EXTERNAL = msgspec.json.Decoder(_ExternalList)


def of_pods(body: bytes) -> Answer:
    """Return the values of a ``MetricValueList``, in either version, by pod. Raise `AnswerError` when there are none."""
    items = _given(_decoded(_OBJECTS, body).items)
    values = {each.described_object.name: (milli(each.value), _unix(each.timestamp)) for each in items}
    return Answer(values=values, at=min(at for _, at in values.values()))


def of_object(body: bytes) -> Answer:
    """Return the value of a ``MetricValueList`` of one object. Raise `AnswerError` when there is none."""
    item = _given(_decoded(_OBJECTS, body).items)[0]
    return Answer(total_milli=milli(item.value), at=_unix(item.timestamp))


def of_external(body: bytes) -> Answer:
    """Return the sum of an ``ExternalMetricValueList``'s series, as HPA adds them. Raise `AnswerError` when there are none."""
    items = _given(_decoded(_EXTERNAL, body).items)
    return Answer(total_milli=sum(milli(each.value) for each in items), at=min(_unix(each.timestamp) for each in items))


# One collection has one time, and a fleet's values repeat: whole per cents, short queues.
@functools.lru_cache(maxsize=_REMEMBERED)
def milli(value: str | int) -> int:
    """Return a quantity in thousandths, rounded up as Kubernetes does. Raise `AnswerError` for what is no quantity."""
    if isinstance(value, int):
        return value * 1000
    # Nearly every value is spelled in one of these two ways; the general grammar costs twenty times as much.
    digits, unit = (value[:-1], 1) if value.endswith("m") else (value, 1000)
    if len(digits) <= _SHORT and digits.isascii() and digits.isdigit():
        return int(digits) * unit
    try:
        return math.ceil(quantity.parse(value) * 1000)
    except quantity.QuantityError as exc:
        raise AnswerError(str(exc)) from exc


@functools.lru_cache(maxsize=_REMEMBERED)
def _unix(stamp: str) -> float:
    try:
        return msgspec.convert(stamp, Time).timestamp()
    except msgspec.ValidationError as exc:
        raise AnswerError(f"what came is no list of values: {stamp[:40]!r} as a timestamp: {exc}") from exc


def _given(items: list[T] | None) -> list[T]:
    if not items:
        raise AnswerError("the answer has no values")
    return items


def _decoded(decoder: msgspec.json.Decoder[T], body: bytes) -> T:
    try:
        return decoder.decode(body)
    except msgspec.DecodeError as exc:
        raise AnswerError(f"what came is no list of values: {exc}") from exc
