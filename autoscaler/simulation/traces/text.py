"""The lines of a file, plain or gzip, in blocks: a week's log need not fit into memory as text, and every line keeps its number."""

import gzip
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from io import BufferedReader
from typing import BinaryIO, cast

from autoscaler.simulation.workload import WorkloadError

BLOCK_BYTES = 1 << 22
"""How much is read at once: enough that Python's own steps between blocks do not count."""

_LONGEST_BYTES = 1 << 20  # of a line: a Mooncake request with a prompt of ten million tokens is shorter
_GZIP = b"\x1f\x8b"
_BOM = b"\xef\xbb\xbf"


@dataclass(frozen=True, slots=True)
class Block:
    """Some lines in a row, without their ends."""

    first: int
    """The number of the first of them, from 1."""
    lines: list[str]


def blocks(stream: BufferedReader, file: str) -> Iterator[Block]:
    """Yield all lines. Raises `WorkloadError` for a gzip file that is damaged or ends early, and for what is not UTF-8 text."""
    source = cast("BinaryIO", gzip.GzipFile(fileobj=stream)) if stream.peek(2)[:2] == _GZIP else stream
    number, rest = 1, b""
    while piece := _piece(source, file, number):
        whole, newline, rest = (rest + piece).rpartition(b"\n")
        if len(rest) > _LONGEST_BYTES:
            last = number + whole.count(b"\n") + len(newline)
            raise WorkloadError(f"{file}, line {last}: longer than {_LONGEST_BYTES} bytes: this is no text with a request a line")
        if newline:
            yield _block(whole, file, number)
            number += whole.count(b"\n") + 1
    if rest:
        yield _block(rest, file, number)


def _piece(source: BinaryIO, file: str, number: int) -> bytes:
    try:
        return source.read(BLOCK_BYTES)
    except (OSError, EOFError, zlib.error) as exc:
        raise WorkloadError(f"{file}, about line {number}: the file is damaged or ends early, fetch it again: {exc}") from exc


def _block(content: bytes, file: str, number: int) -> Block:
    kept = content.removeprefix(_BOM) if number == 1 else content
    try:
        return Block(number, kept.decode().replace("\r\n", "\n").removesuffix("\r").split("\n"))
    except UnicodeDecodeError as exc:
        at = number + kept[: exc.start].count(b"\n")
        raise WorkloadError(f"{file}, line {at}: this is not UTF-8 text: save it as CSV or JSON lines in UTF-8") from exc
