"""The record: every decision with all that it came from, one line of JSON each, so that any number can be taken again.

A file may hold several targets. Of what one line of a target has in common with the line before it, only the bulky parts are
left out: the policy, and the memory, of which each line says only what the decision changed. Every hundredth line of a target
is whole. Observations and decisions always are, for ``jq`` and ``grep``; fields at their defaults are left out throughout.
"""

import contextlib
import dataclasses
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, Self

import msgspec
import structlog

from autoscaler.decision.model import Decision, Memory, Observation, Policy, Record
from autoscaler.errors import AutoscalerError

log = structlog.get_logger(__name__)

VERSION = 1
#: A line of a target is whole at least this often.
WHOLE_EVERY = 100

#: Members of a memory that are pairs of a name and a value: as JSON they are objects, so that a change names what it changes.
_BY_NAME = ("trusting", "capacities")

Plain = dict[str, Any]


class RecordError(AutoscalerError):
    """A record cannot be read; the message names the file, the line and the remedy."""


class _Line(msgspec.Struct, omit_defaults=True):
    """A line of the file. *before* and *policy* are absent where the target's previous line says them."""

    v: int
    target: str
    observation: msgspec.Raw
    decision: msgspec.Raw
    policy: Plain | None = None
    before: Plain | None = None
    after: Plain = {}  # what became other than before; msgspec copies the default


class _Version(msgspec.Struct):
    v: int = 0


@dataclass(slots=True)
class _Last:
    """What a line of a target leaves to the next: the policy, and the memory, also as plain data."""

    policy: Policy
    memory: Memory
    plain: Plain
    lines: int = 0  # since the last whole one


# ── writing ──────────────────────────────────────────────────────────────────────────────────────────────────────────────────


class Recorder:
    """Appends records to a file; each is on disk, or lost whole, when `write` returns. Close it, or use it as a context.

    With *max_bytes* the file moves to ``FILE.1`` (replacing the one before) when it has grown past that, so that at most twice
    as much is kept; the next lines begin whole. After a line that could not be written they do too.
    """

    def __init__(self, path: Path, *, max_bytes: int | None = None) -> None:
        self._path = path
        self._max_bytes = max_bytes
        self._last: dict[str, _Last] = {}
        self._failing = False
        self._file = _open_to_append(path)

    def keep(self, record: Record) -> None:
        """Append *record* if that can be; if not, log it once. What is decided must not depend on the room on a disk."""
        try:
            self.write(record)
        except OSError as error:
            if not self._failing:
                log.error("decisions not recorded", file=str(self._path), error=str(error))
            self._failing = True
        else:
            if self._failing:
                log.info("decisions recorded again", file=str(self._path))
            self._failing = False

    def write(self, record: Record) -> None:
        """Append *record*. Raises `OSError` when that cannot be; the next call opens the file anew."""
        try:
            if self._file.closed:
                self._file = _open_to_append(self._path)
            if self._max_bytes is not None and self._file.tell() >= self._max_bytes:
                self._rotate()
            self._file.write(self._line(record) + b"\n")
            self._file.flush()
        except OSError:
            self._last.clear()  # no line may lean on one that is lost
            with contextlib.suppress(OSError):
                self._file.close()  # what of the line came to be there is taken away when it is opened
            raise

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _rotate(self) -> None:
        self._file.close()
        self._path.replace(self._path.with_name(f"{self._path.name}.1"))
        self._last.clear()
        self._file = _open_to_append(self._path)

    def _line(self, record: Record) -> bytes:
        last = self._last.get(record.target)
        whole = last is None or last.lines >= WHOLE_EVERY - 1
        # Controllers pass the very memory that the decision before left: identity spares comparing it.
        goes_on = last is not None and not whole and (last.memory is record.before or last.memory == record.before)
        before = last.plain if last is not None and goes_on else _plain_memory(record.before)
        after = _plain_memory(record.after)
        line = _Line(
            v=VERSION,
            target=record.target,
            policy=_plain(record.policy) if whole or last is None or last.policy != record.policy else None,
            before=None if goes_on else before,
            observation=msgspec.Raw(msgspec.json.encode(_plain(record.observation))),
            decision=msgspec.Raw(msgspec.json.encode(_plain(record.decision))),
            after=_difference(before, after),
        )
        lines = 0 if whole or last is None else last.lines + 1
        self._last[record.target] = _Last(record.policy, record.after, after, lines)
        return msgspec.json.encode(line)


def _open_to_append(path: Path) -> BinaryIO:
    """Open *path* behind its last whole line: what a crash left of a line is of no use, and would spoil the next one."""
    file = path.open("a+b")
    end = file.seek(0, os.SEEK_END)
    step = 1 << 16
    start = end
    while start > 0:
        start = max(0, start - step)
        file.seek(start)
        newline = file.read(min(step, end - start)).rfind(b"\n")
        if newline >= 0:
            start += newline + 1
            break
    if start < end:
        file.truncate(start)
    file.seek(0, os.SEEK_END)
    return file


# ── reading ──────────────────────────────────────────────────────────────────────────────────────────────────────────────────


def read(path: Path, *, tell: Callable[[str], None], target: str | None = None) -> Iterator[Record]:
    """Yield the records of *path* in its order, of *target* alone if one is given.

    What has to be left out is passed to *tell* in words: a last line that is cut short (it is being written, or a crash cut
    it), and lines at the head of the file that lean on lines that are no longer there. Raises `RecordError` for a line that
    cannot be read, and `OSError` when the file cannot.
    """
    lasts: dict[str, _Last] = {}
    headless: dict[str, int] = {}
    with path.open("rb") as file:
        for number, text in enumerate(file, start=1):
            if not text.endswith(b"\n"):
                tell(f"{path}, line {number}: cut short, and left out")
                break
            line = _parse(path, number, text)
            if target is not None and line.target != target:
                continue
            with _naming(path, number):
                begin = _begin(line, lasts.get(line.target))
                if begin is None:
                    headless[line.target] = headless.get(line.target, 0) + 1
                    continue
                record, lasts[line.target] = _record(line, begin)
            yield record
    for name, count in headless.items():
        tell(f"{path}: {count} lines of {name} left out: the whole line that they lean on is not in the file")


def _parse(path: Path, number: int, text: bytes) -> _Line:
    with _naming(path, number):
        version = msgspec.json.decode(text, type=_Version).v
    if version != VERSION:
        raise RecordError(
            f"{path}, line {number}: a record of version {version}, and this leadtime reads {VERSION}: use the one that wrote it"
        )
    with _naming(path, number):
        return msgspec.json.decode(text, type=_Line)


@contextlib.contextmanager
def _naming(path: Path, number: int) -> Iterator[None]:
    """Let what cannot be decoded be a `RecordError` that names the line."""
    try:
        yield
    except (msgspec.MsgspecError, KeyError, TypeError, UnicodeDecodeError) as exc:
        raise RecordError(f"{path}, line {number}: not a record of a decision: {exc}") from exc


def _begin(line: _Line, last: _Last | None) -> _Last | None:
    """Return the policy and the memory that *line* begins with, from the line itself or from the target's *last* one."""
    if line.policy is not None and line.before is not None:
        return _Last(msgspec.convert(line.policy, Policy), _memory(line.before), line.before)
    if last is None:
        return None
    policy = last.policy if line.policy is None else msgspec.convert(line.policy, Policy)
    if line.before is None:
        return _Last(policy, last.memory, last.plain)
    return _Last(policy, _memory(line.before), line.before)


def _record(line: _Line, begin: _Last) -> tuple[Record, _Last]:
    """Return the record that *line* is, and what the target's next line may lean on."""
    plain = _applied(begin.plain, line.after)
    record = Record(
        target=line.target,
        policy=begin.policy,
        observation=msgspec.json.decode(line.observation, type=Observation),
        before=begin.memory,
        decision=msgspec.json.decode(line.decision, type=Decision),
        after=_memory(plain) if line.after else begin.memory,
    )
    return record, _Last(begin.policy, record.after, plain)


# ── values as JSON ───────────────────────────────────────────────────────────────────────────────────────────────────────────


_FIELDS: dict[type, tuple[tuple[str, Any], ...]] = {}


def _fields(cls: type) -> tuple[tuple[str, Any], ...]:
    """Return the names and defaults of a dataclass' fields; a default that is made anew is called once."""
    known = _FIELDS.get(cls)
    if known is None:
        known = _FIELDS[cls] = tuple(
            (one.name, one.default if one.default_factory is dataclasses.MISSING else one.default_factory())
            for one in dataclasses.fields(cls)
        )
    return known


def _plain(value: Any) -> Any:
    """Return *value* as plain data, fields at their defaults left out."""
    match value:
        case tuple():
            return [_plain(one) for one in value]
        case None | str() | int() | float():
            return value
        case _:
            return {
                name: _plain(one)
                for name, default in _fields(type(value))
                if (one := getattr(value, name)) is not default and one != default
            }


def _plain_memory(memory: Memory) -> Plain:
    plain: Plain = _plain(memory)
    for name in _BY_NAME:
        if name in plain:
            plain[name] = dict(plain[name])
    return plain


def _memory(plain: Mapping[str, Any]) -> Memory:
    pairs = {name: list(plain[name].items()) for name in _BY_NAME if name in plain}
    return msgspec.convert({**plain, **pairs}, Memory)


def _difference(before: Mapping[str, Any], after: Mapping[str, Any]) -> Plain:
    """Return what turns *before* into *after* by `_applied`: members that changed, null for those that are gone."""
    changed = {}
    for name, value in after.items():
        old = before.get(name)
        if old == value and (not isinstance(value, dict) or list(old) == list(value)):
            continue
        match old, value:
            # In another order the names say something else, and a difference cannot tell.
            case dict(), dict() if [*(one for one in old if one in value), *(one for one in value if one not in old)] == list(
                value
            ):
                changed[name] = _difference(old, value)
            case dict(), dict():
                changed[name] = {"=": value}
            case list(), list():
                changed[name] = _shifted(old, value)
            case _:
                changed[name] = value
    return {**changed, **dict.fromkeys(name for name in before if name not in after)}


def _shifted(before: Sequence[Any], after: Sequence[Any]) -> Any:
    """Return *after* as a stretch of *before* with something added, as windows move; or *after* itself."""
    first = next((index for index, one in enumerate(before) if after and one == after[0]), None)
    if first is None:
        return after
    kept = 0
    while kept < len(after) and first + kept < len(before) and before[first + kept] == after[kept]:
        kept += 1
    return {"drop": first, "keep": kept, "add": after[kept:]}


def _applied(before: Mapping[str, Any], change: Mapping[str, Any]) -> Plain:
    """Return *before* with *change* made to it."""
    after = dict(before)
    for name, value in change.items():
        old = before.get(name)
        match old, value:
            case _, None:
                after.pop(name, None)
            case list(), {"drop": int(drop), "keep": int(keep), "add": list(added)}:
                after[name] = [*old[drop : drop + keep], *added]
            case dict(), {"=": whole}:
                after[name] = whole
            case dict(), dict():
                after[name] = _applied(old, value)
            case _:
                after[name] = value
    return after
