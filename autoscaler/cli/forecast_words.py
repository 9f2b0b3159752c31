"""What `leadtime forecast` prints: an assessment in words and tables for people, and as JSON for programs."""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import msgspec
import numpy as np

from adapter.snapshot import rfc3339
from autoscaler.cli.assessment import Assessment, Score
from forecasting.series import Cleaning

_DAY_S = 86_400
_MINUTE_S = 60
_WIDTHS = (10, 10, 10, 13, 22)


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """An assessment, and what was asked for."""

    origin: str
    """Where the series is from."""
    cleaning: Cleaning | None
    """What was left out of it, where that is known."""
    lead_s: float
    """How far ahead a replica has to be asked for …"""
    lead: int
    """… and the whole buckets that are forecast for that."""
    assessment: Assessment


def text(told: Told) -> Iterator[str]:
    """Yield the lines for people."""
    yield from _what_was_read(told)
    yield ""
    yield from _what_comes(told)
    yield ""
    yield from _what_it_was_worth(told)
    yield ""
    assessment = told.assessment
    score = assessment.scores[assessment.leads.index(told.lead)]
    ahead_s = told.lead * assessment.series.step_s
    rounded = "" if told.lead_s == ahead_s else f" ({span(ahead_s)} in whole buckets)"
    yield f"At a lead of {span(told.lead_s)}{rounded} the gate would be {'open' if score.gate_open else 'shut'}: {score.why}."


def json(told: Told) -> str:
    """Return the same for programs; what there is not is null."""
    assessment = told.assessment
    series = assessment.series
    answer: dict[str, Any] = {
        "origin": told.origin,
        "start_s": series.start_s,
        "end_s": series.end_s,
        "step_s": series.step_s,
        "buckets": len(series),
        "gaps": int(series.gaps.sum()),
        "cleaning": told.cleaning,
        "warm_up_s": assessment.warm_up * series.step_s,
        "quantile": assessment.level,
        "lead_s": told.lead_s,
        "leads": [
            {
                "lead_s": lead * series.step_s,
                "asked": lead == told.lead,
                "quantiles": {f"{level:g}": float(value) for level, value in zip(assessment.levels, values, strict=True)},
                "backtest": score,
            }
            for lead, values, score in zip(assessment.leads, assessment.coming, assessment.scores, strict=True)
        ],
    }
    return msgspec.json.encode(answer).decode()


def span(seconds: float) -> str:
    """Return a length of time in minutes, or in seconds where it has no whole ones."""
    return f"{seconds:g} s" if seconds % _MINUTE_S else f"{seconds / _MINUTE_S:g} min"


def _what_was_read(told: Told) -> Iterator[str]:
    series = told.assessment.series
    gaps = int(series.gaps.sum())
    lowest, middle, highest = (float(of(series.values)) for of in (np.nanmin, np.nanmedian, np.nanmax))
    yield f"{told.origin}, {rfc3339(series.start_s)} to {rfc3339(series.end_s)}"
    yield (
        f"  {len(series)} buckets of {series.step_s} s, {_percent(gaps / len(series))} of them gaps; "
        f"from {lowest:.4g} to {highest:.4g}, median {middle:.4g}"
    )
    if told.cleaning is not None and (wrong := _wrong(told.cleaning)):
        yield f"  of {told.cleaning.samples} samples: {', '.join(f'{count} {words}' for words, count in wrong.items())}"


def _what_comes(told: Told) -> Iterator[str]:
    assessment = told.assessment
    yield f"From {rfc3339(assessment.series.end_s)} on, the largest load within … stays, with this probability, below"
    yield _row("", *(f"{100 * level:g} %" for level in assessment.levels))
    for lead, values in zip(assessment.leads, assessment.coming, strict=True):
        yield _row(span(lead * assessment.series.step_s), *(f"{value:.4g}" for value in values), mark=lead == told.lead)


def _what_it_was_worth(told: Told) -> Iterator[str]:
    assessment = told.assessment
    days = (len(assessment.series) - assessment.warm_up) * assessment.series.step_s / _DAY_S
    yield (
        f"Backtest at {100 * assessment.level:g} % over the last {days:.1f} days; "
        "ratios are to the last value with the same intervals, below 1 is better"
    )
    yield _row("", "pinball", "MAE", "coverage", "worst hour", "gate")
    for lead, score in zip(assessment.leads, assessment.scores, strict=True):
        yield _row(span(lead * assessment.series.step_s), *_cells(score), mark=lead == told.lead)


def _cells(score: Score) -> Iterator[str]:
    yield _ratio(score.pinball_ratio)
    yield _ratio(score.mae_ratio)
    yield _percent(score.coverage)
    yield "none" if score.worst_hour is None else f"{_percent(score.worst_hour_coverage, 0)} at {score.worst_hour:02}h"
    yield "open" if score.gate_open else f"shut ({score.verdict})"


def _row(first: str, *cells: str, mark: bool = False) -> str:
    padded = "".join(f"{cell:>{width}}" for cell, width in zip(cells, _WIDTHS, strict=False))
    return f"  {first:>8}{padded}{'  ← lead' if mark else ''}"


def _wrong(cleaning: Cleaning) -> dict[str, int]:
    """Return what was wrong with how many samples, in words."""
    counts = {
        "out of order": cleaning.out_of_order,
        "of the same time as another": cleaning.duplicates,
        "after the time of the forecast": cleaning.future,
        "negative": cleaning.negative,
        "without a number": cleaning.not_finite,
    }
    return {words: count for words, count in counts.items() if count}


def _percent(ratio: float, digits: int = 1) -> str:
    return "none" if math.isnan(ratio) else f"{100 * ratio:.{digits}f} %"


def _ratio(ratio: float) -> str:
    return "none" if math.isnan(ratio) else f"{ratio:.2f}"
