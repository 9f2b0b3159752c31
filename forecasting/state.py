"""State of many rows: what it needs to grow, shrink, move and be saved. Every array of a part has the rows as its last axis.

The parts of a forecaster name their arrays in ``STATE``; nothing else in them changes from bucket to bucket. Here are the only
functions that treat all parts alike. They know no files: bytes go out and come in.
"""

import hashlib
import json
import struct
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any, ClassVar, Protocol

import numpy as np
from numpy.typing import NDArray

from forecasting.errors import InputError, StateError
from forecasting.forecast import Spec

VERSION = 1

_MAGIC = b"leadtime"
_DIGEST_BYTES = 16
_PREFIX = struct.Struct("<8sHI")  # magic, version, length of the header


class Part(Protocol):
    """A piece of a forecaster with one row per series."""

    STATE: ClassVar[tuple[str, ...]]
    """The names of its arrays; the last axis of each is the row."""


def arrays(parts: Mapping[str, Part]) -> dict[str, NDArray[Any]]:
    """Return all arrays of *parts* by ``part.array``."""
    return {f"{name}.{array}": getattr(part, array) for name, part in parts.items() for array in part.STATE}


def resize(parts: Mapping[str, Part], fresh: Mapping[str, Part]) -> None:
    """Copy to *fresh* as many rows of *parts* as both have."""
    into = arrays(fresh)
    for name, array in arrays(parts).items():
        rows = min(array.shape[-1], into[name].shape[-1])
        into[name][..., :rows] = array[..., :rows]


def replace(parts: Mapping[str, Part], other: Mapping[str, Part], at: NDArray[np.intp]) -> None:
    """Put the rows of *other* in the places *at* of *parts*; a single row is put in all of them."""
    into = arrays(parts)
    for name, array in arrays(other).items():
        into[name][..., at] = array


def nbytes(parts: Mapping[str, Part]) -> int:
    """Return how many bytes the arrays of *parts* take."""
    return sum(array.nbytes for array in arrays(parts).values())


def fingerprint(spec: Spec) -> str:
    """Return what a saved state must have been made with: a hash of all of *spec*."""
    return hashlib.blake2b(json.dumps(asdict(spec), sort_keys=True).encode(), digest_size=_DIGEST_BYTES).hexdigest()


class Behind(Protocol):
    """A forecaster that can be brought up to a later bucket."""

    @property
    def slot(self) -> int | None:
        """The last bucket that was taken in."""
        ...

    def advance(self, slot: int) -> None:
        """Take all buckets up to and with *slot* as gaps."""
        ...


def meet(slot: int | None, other: Behind) -> int | None:
    """Bring *other* up to *slot* and return the bucket that both are at. Raises `InputError` when *other* is ahead."""
    if slot is None:
        return other.slot
    if other.slot is not None and other.slot > slot:
        raise InputError(f"the rows to take are at bucket {other.slot}, ahead of {slot}: take in that bucket first")
    other.advance(slot)
    return slot


def dump(parts: Mapping[str, Part], spec: Spec, facts: Mapping[str, Any]) -> bytes:
    """Return *parts* and the JSON-able *facts* as bytes: prefix, JSON header, the arrays one after the other, checksum."""
    saved = arrays(parts)
    header = json.dumps(
        {
            "spec": fingerprint(spec),
            "facts": dict(facts),
            "arrays": [[name, str(array.dtype), list(array.shape)] for name, array in saved.items()],
        }
    ).encode()
    body = b"".join(
        (_PREFIX.pack(_MAGIC, VERSION, len(header)), header, *(np.ascontiguousarray(array).tobytes() for array in saved.values()))
    )
    return body + _digest(body)


def facts(data: bytes, spec: Spec) -> dict[str, Any]:
    """Return the facts that were saved with the state *data*.

    Raises `StateError` when it is damaged, of another version, or was made for another *spec*.
    """
    return dict(_header(data, spec)[0]["facts"])


def restore(data: bytes, spec: Spec, parts: Mapping[str, Part]) -> None:
    """Write the arrays of *data* over those of *parts*, which must be the same in name, type and shape.

    Raises `StateError` where they are not, and as `facts` does.
    """
    header, start = _header(data, spec)
    into = arrays(parts)
    if [entry[0] for entry in header["arrays"]] != list(into):
        raise StateError("the saved state has other parts than this version: learn from history again")
    for name, dtype, shape in header["arrays"]:
        target = into[name]
        if str(target.dtype) != dtype or list(target.shape) != shape:
            raise StateError(
                f"the saved state's {name} is {dtype} {shape}, not {target.dtype} {list(target.shape)}: learn from history again"
            )
        target[...] = np.frombuffer(data, dtype=target.dtype, count=target.size, offset=start).reshape(target.shape)
        start += target.nbytes


def places(at: Sequence[int] | NDArray[np.intp], rows: int) -> NDArray[np.intp]:
    """Return *at* as an index array. Raises `InputError` unless each is one of *rows* and none is named twice."""
    given = np.asarray(at, dtype=np.intp).reshape(-1)
    if len(np.unique(given)) != len(given) or np.any((given < 0) | (given >= rows)):
        raise InputError(f"rows {given.tolist()} must be different ones of the {rows} that there are")
    return given


def _header(data: bytes, spec: Spec) -> tuple[dict[str, Any], int]:
    """Return the checked header of *data* and where its arrays begin."""
    if len(data) < _PREFIX.size + _DIGEST_BYTES:
        raise StateError(f"the saved state is cut short at {len(data)} bytes: learn from history again")
    magic, version, length = _PREFIX.unpack_from(data)
    if magic != _MAGIC or version != VERSION:
        raise StateError(f"the saved state is not of version {VERSION}: learn from history again")
    body = memoryview(data)[:-_DIGEST_BYTES]
    if _digest(body) != data[-_DIGEST_BYTES:]:
        raise StateError("the saved state is damaged, its checksum does not fit: learn from history again")
    start = _PREFIX.size + length
    header: dict[str, Any] = json.loads(data[_PREFIX.size : start])
    if header["spec"] != fingerprint(spec):
        raise StateError("the saved state was made with another specification: learn from history again")
    return header, start


def _digest(body: bytes | memoryview) -> bytes:
    return hashlib.blake2b(body, digest_size=_DIGEST_BYTES).digest()
