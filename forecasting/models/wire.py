"""What goes over the pipe to the worker process and back: frames of a length and a MessagePack document.

One answer follows each request, in their order. A frame that cannot be read leaves the pipe readable; a pipe that ends within a
frame does not.
"""

import struct
from typing import BinaryIO

import msgspec
import numpy as np

from forecasting.errors import InputError
from forecasting.forecast import Spec
from forecasting.models.history import History, Verdict
from forecasting.tuning import Tuning

HEADER = struct.Struct("!I")
"""The length of what follows in bytes."""

LONGEST = 1 << 28
"""Bytes. No request is this long: whoever announces more does not speak this language."""

_VALUES = np.dtype("<f8")


class Packed(msgspec.Struct, frozen=True, kw_only=True):
    """A `History` as it travels."""

    name: str
    slot: int
    values: bytes
    """Little-endian doubles."""
    tuning: Tuning


class Request(msgspec.Struct, frozen=True, kw_only=True):
    """Series to be refitted."""

    id: int
    spec: Spec
    series: tuple[Packed, ...]


class Refitted(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """The answer to a request: a verdict for each of its series, in their order."""

    id: int
    verdicts: tuple[Verdict, ...]


class Failed(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """The answer to a request that could not be read or went wrong."""

    id: int | None
    """None where it could not even be read."""
    message: str


Answer = Refitted | Failed

_ENCODER = msgspec.msgpack.Encoder()
_REQUEST = msgspec.msgpack.Decoder(Request)
_ANSWER: msgspec.msgpack.Decoder[Answer] = msgspec.msgpack.Decoder(Answer)


def pack(history: History) -> Packed:
    """Return *history* as it travels; NaN stays NaN."""
    values = np.asarray(history.values, dtype=_VALUES).tobytes()
    return Packed(name=history.name, slot=history.slot, values=values, tuning=history.tuning)


def unpack(packed: Packed) -> History:
    """Return the history that was packed; raise `InputError` where its values are cut off."""
    if len(packed.values) % _VALUES.itemsize:
        raise InputError(f"{packed.name}: {len(packed.values)} bytes are no series, each value takes {_VALUES.itemsize}")
    values = np.frombuffer(packed.values, dtype=_VALUES).astype(np.float64)
    return History(name=packed.name, slot=packed.slot, values=values, tuning=packed.tuning)


def encode(document: Request | Answer) -> bytes:
    """Return *document* as a frame."""
    body = _ENCODER.encode(document)
    return HEADER.pack(len(body)) + body


def request(body: bytes) -> Request:
    """Return the request in a frame's *body*; raise `InputError` for anything else."""
    try:
        return _REQUEST.decode(body)
    except msgspec.DecodeError as exc:
        raise InputError(f"this is no request: {exc}") from exc


def answer(body: bytes) -> Answer:
    """Return the answer in a frame's *body*; raise `InputError` for anything else."""
    try:
        return _ANSWER.decode(body)
    except msgspec.DecodeError as exc:
        raise InputError(f"this is no answer: {exc}") from exc


def length(header: bytes) -> int:
    """Return how many bytes follow *header*; raise `InputError` for more than any frame has."""
    (size,) = HEADER.unpack(header)
    if size > LONGEST:
        raise InputError(f"a frame of {size} bytes is announced: {LONGEST} is the most")
    return int(size)


def read(stream: BinaryIO) -> bytes | None:
    """Return the body of the next frame of *stream*, None at its end; raise `InputError` where it ends or breaks off within one."""
    header = stream.read(HEADER.size)
    if not header:
        return None
    if len(header) < HEADER.size:
        raise InputError("the pipe ended within a frame's length")
    size = length(header)
    body = stream.read(size)
    if len(body) < size:
        raise InputError(f"the pipe ended after {len(body)} of a frame's {size} bytes")
    return body
