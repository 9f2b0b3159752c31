"""From a file to a workload, whatever its format."""

import itertools
from collections.abc import Iterator
from io import BufferedReader, BytesIO
from pathlib import Path

from autoscaler.simulation.traces import counts, logs, table, text
from autoscaler.simulation.traces.found import Found
from autoscaler.simulation.traces.text import Block
from autoscaler.simulation.workload import Requests, Workload, WorkloadError

_SUFFIXES = (".gz", ".csv", ".jsonl", ".json", ".txt")


def read(file: Path, *, least_s: float | None = None) -> tuple[Workload, Found]:
    """Return the load in *file*, and what was found there. Raises `WorkloadError` for a file that cannot be read or used.

    *least_s* is how long it has to last, its past included.
    """
    try:
        stream = file.open("rb")
    except (OSError, ValueError) as exc:
        raise WorkloadError(f"{file}: cannot be opened: {exc}") from exc
    with stream:
        return _parsed(stream, file, least_s)


def parse(content: bytes, file: Path, *, least_s: float | None = None) -> tuple[Workload, Found]:
    """Return the load in *content*, which *file* is said to hold; otherwise as `read`."""
    return _parsed(BufferedReader(BytesIO(content)), file, least_s)


def _parsed(stream: BufferedReader, file: Path, least_s: float | None) -> tuple[Workload, Found]:
    workload, found = _told_apart(text.blocks(stream, str(file)), str(file), _stem(file.name))
    past_s = 0.0 if isinstance(workload, Requests) else float(len(workload.past) * workload.step_s)
    lasts_s = past_s + workload.duration_s
    if least_s is not None and lasts_s < least_s:
        raise WorkloadError(f"{file}: lasts {lasts_s:.0f} s, and {least_s:.0f} s are asked for: give a longer one, or ask for less")
    return workload, found


def _told_apart(blocks: Iterator[Block], file: str, name: str) -> tuple[Workload, Found]:
    """Return what the reader makes of it that the first line calls for."""
    first = next(blocks, None)
    if first is None or not any(line.strip() for line in first.lines):
        raise WorkloadError(f"{file}: the file is empty: give a log of requests, or counts per step")
    opening = first.lines[0]
    if opening.lstrip().startswith("{"):
        return logs.mooncake(name, file, itertools.chain([first], blocks))
    header = table.header(file, opening)
    rest = itertools.chain([Block(first.first + 1, first.lines[1:])], blocks)
    names = set(header.names)
    if names & {"contexttokens", "generatedtokens"}:
        return logs.azure(name, header, rest)
    if names & {"request tokens", "response tokens"}:
        return logs.burstgpt(name, header, rest)
    if "timestamp_s" in names:
        return counts.read(name, header, rest)
    raise WorkloadError(
        f"{file}, line 1: {opening[:60]!r} begins none of the formats: Azure LLM (TIMESTAMP,ContextTokens,GeneratedTokens), "
        "BurstGPT (Timestamp,Model,Request tokens,Response tokens,…), Mooncake (JSON lines with timestamp, input_length and "
        "output_length), or counts per step (timestamp_s,requests)"
    )


def _stem(name: str) -> str:
    """Return a file's name without the ends that tell of its format."""
    while (end := next((suffix for suffix in _SUFFIXES if name.endswith(suffix)), "")) and name != end:
        name = name.removesuffix(end)
    return name
