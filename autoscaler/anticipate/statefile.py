"""What was learned, on disk: written whole or not at all, and read back exactly or not at all."""

import hashlib
import os
import tempfile
from collections.abc import Sequence
from pathlib import Path

import msgspec

from autoscaler.resource.scaler import Key
from autoscaler.settings import STATE_NAME
from forecasting.errors import StateError

VERSION = 1
#: What is older than this tells little of today, and a week's history is at hand where there is any.
MAX_AGE_S = 7 * 86_400.0

_AHEAD_S = 60.0  # what clocks may differ by
_MAGIC = b"leadtime forecasts\n"
_DIGEST_BYTES = 16


class Row(msgspec.Struct, frozen=True, kw_only=True):
    """A row of the forecaster, and what it stands for."""

    at: int
    namespace: str
    name: str
    uid: str
    recalled: bool  # its past is known, as far as it ever will be
    signals: str  # the signals that its load is told by, as `Followed.signals` spells them
    horizon: int
    quantile: float
    pool: float

    @property
    def key(self) -> Key:
        """Whose it is."""
        return Key(self.namespace, self.name)


class _Header(msgspec.Struct, kw_only=True):
    version: int
    at: float
    rows: tuple[Row, ...]


def path(folder: Path) -> Path:
    """Return where the state is kept in *folder*."""
    return folder / STATE_NAME


def write(file: Path, *, at: float, rows: Sequence[Row], learned: bytes) -> None:
    """Write *file* anew, as of *at*: after a crash it is the old one or the new one. Raises `OSError`."""
    header = msgspec.json.encode(_Header(version=VERSION, at=at, rows=tuple(rows)))
    body = b"".join((len(header).to_bytes(8, "big"), header, learned))
    # In the same folder: only there is a rename atomic.
    descriptor, name = tempfile.mkstemp(dir=file.parent, prefix=f".{STATE_NAME}.")
    try:
        with os.fdopen(descriptor, "wb") as out:
            out.write(_MAGIC + hashlib.blake2b(body, digest_size=_DIGEST_BYTES).digest())
            out.write(body)
            out.flush()
            os.fsync(out.fileno())
        Path(name).replace(file)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
    folder = os.open(file.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def read(file: Path, *, now: float) -> tuple[Sequence[Row], bytes] | None:
    """Return the rows and what was learned of them; None where nothing was ever kept.

    Raises `StateError` for what is damaged, of another version or older than a week, and `OSError`.
    """
    try:
        data = file.read_bytes()
    except FileNotFoundError:
        return None
    start = len(_MAGIC) + _DIGEST_BYTES
    digest, body = data[len(_MAGIC) : start], data[start:]
    if not data.startswith(_MAGIC) or hashlib.blake2b(body, digest_size=_DIGEST_BYTES).digest() != digest:
        raise StateError(f"{file} is damaged: its checksum does not fit")
    length = int.from_bytes(body[:8], "big")
    try:
        header = msgspec.json.decode(body[8 : 8 + length], type=_Header)
    except msgspec.DecodeError as error:
        raise StateError(f"{file} cannot be read: {error}") from error
    if header.version != VERSION:
        raise StateError(f"{file} is of version {header.version}, not {VERSION}")
    if not -_AHEAD_S <= now - header.at <= MAX_AGE_S:
        raise StateError(f"{file} is of another time: {(now - header.at) / 3600:.1f} h old, and a week is the most")
    return header.rows, body[8 + length :]
