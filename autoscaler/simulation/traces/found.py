"""What was found in a trace file, and what was done with it: to be shown to whoever uses the workload."""

import enum
from dataclasses import dataclass


class Format(enum.StrEnum):
    """The formats that are read, told apart by a file's first line."""

    AZURE = "Azure LLM"
    """CSV: TIMESTAMP, ContextTokens, GeneratedTokens."""
    BURSTGPT = "BurstGPT"
    """CSV: Timestamp in seconds, Model, Request tokens, Response tokens, Total tokens, Log Type."""
    MOONCAKE = "Mooncake"
    """JSON lines: timestamp in milliseconds, input_length, output_length."""
    COUNTS = "counts per step"
    """CSV: timestamp_s, requests, and sums per step of prompt_tokens and output_tokens where they are known."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Gap:
    """A time of which the file says nothing."""

    start_s: float
    """On the file's own clock."""
    duration_s: float
    filled: bool
    """Whether the load was interpolated, or the file cut there."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """What a file held. Everything that is not in the workload as it is in the file is in *left_out*, *gaps* or *done*."""

    file: str
    format: Format
    rows: int
    """Lines with data."""
    begins_at_s: float
    """The first of them, on the file's own clock: Unix seconds where it has dates."""
    duration_s: float
    """From the first to the last, whatever was cut."""
    left_out: tuple[tuple[str, int], ...] = ()
    """Why rows are not in the workload, and how many."""
    gaps: tuple[Gap, ...] = ()
    longest_silence_s: float = 0.0
    """The longest time in which nothing came. No file says whether nobody asked or nobody counted."""
    done: tuple[str, ...] = ()
    """What was done with it, a sentence each."""

    @property
    def gap_s(self) -> float:
        """How long the gaps are together."""
        return sum(gap.duration_s for gap in self.gaps)

    def lines(self) -> list[str]:
        """Return it in words, a fact a line."""
        told = [f"{self.file}: {self.format}, {self.rows:,} rows over {_lasting(self.duration_s)}"]
        told += [f"  left out: {count:,} rows, {reason}" for reason, count in self.left_out]
        if self.gaps:
            filled = sum(gap.filled for gap in self.gaps)
            told.append(f"  gaps: {len(self.gaps):,}, together {_lasting(self.gap_s)}; {filled:,} of them interpolated")
        if self.longest_silence_s > 0:
            told.append(f"  longest time without a request: {_lasting(self.longest_silence_s)}; taken for what it says")
        return [*told, *(f"  {sentence}" for sentence in self.done)]


def _lasting(seconds: float) -> str:
    for unit, length_s in (("days", 86_400.0), ("h", 3600.0), ("min", 60.0)):
        if seconds >= 2 * length_s:
            return f"{seconds / length_s:.1f} {unit}"
    return f"{seconds:.3g} s"
