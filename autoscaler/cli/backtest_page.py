"""A backtest as one page of HTML that needs nothing else: figures, a picture of replicas and load, guards, suggestions."""

import html
from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from adapter.snapshot import rfc3339
from autoscaler.cli import backtest_words
from autoscaler.cli.backtest_words import Told
from autoscaler.simulation.outcome import Timeline

_WIDTH, _HEIGHT, _LEFT, _BOTTOM = 1000, 260, 40, 22
_STYLE = """
:root { color-scheme: light dark; --ink: #1b1f24; --faint: #66707a; --paper: #ffffff; --line: #d9dee3; --load: #c9d1d9;
  --run0: #1f6fbf; --run1: #c8591f; --run2: #2c7f4d; --run3: #7a4fc0; }
@media (prefers-color-scheme: dark) { :root { --ink: #e6e9ec; --faint: #9aa4ae; --paper: #14181c; --line: #333a41; --load: #3d4650;
  --run0: #5aa9f0; --run1: #f0935e; --run2: #5cc488; --run3: #b294ec; } }
body { margin: 2rem auto; max-width: 70rem; padding: 0 1rem; background: var(--paper); color: var(--ink);
  font: 15px/1.5 system-ui, sans-serif; }
h1 { font-size: 1.3rem; } h2 { font-size: 1.05rem; margin-top: 2rem; } p, li { max-width: 60rem; overflow-wrap: anywhere; }
.wide { overflow-x: auto; } table { border-collapse: collapse; font-variant-numeric: tabular-nums; }
th, td { padding: .25rem .8rem; text-align: right; border-bottom: 1px solid var(--line); }
th:first-child, td:first-child { text-align: left; } .faint { color: var(--faint); }
svg { width: 100%; min-width: 40rem; height: auto; } svg text { fill: var(--faint); font-size: 11px; }
.key { display: inline-block; width: 1.1em; height: .3em; margin-right: .4em; vertical-align: middle; }
"""


def page(told: Told) -> str:
    """Return the page."""
    body = [
        f"<h1>{_text(told.headline)}</h1>",
        f'<ul class="faint">{"".join(f"<li>{_text(note)}</li>" for note in told.notes)}</ul>',
        *_picture(told),
        "<h2>What it comes to</h2>",
        _table(("", *backtest_words.COLUMNS), [(name, *backtest_words.row(ran.figures)) for name, ran in told.rows()]),
    ]
    if told.result.regret_ratio is not None:
        body.append(f"<p>{_text(backtest_words.regret(told))}</p>")
    if told.result.prices:
        body += ["<h2>Each guard left out, and what that changes</h2>", _guards(told)]
    lines = list(backtest_words.suggestions(told.result))
    if lines:
        body += ["<h2>Suggestions</h2>", *(f"<p>{_text(line)}</p>" for line in lines)]
    return (
        f'<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">'
        f"<title>{_text(told.scaler)}: backtest</title><style>{_STYLE}</style></head><body>\n"
        + "\n".join(body)
        + "\n</body></html>\n"
    )


def _text(text: str) -> str:
    return html.escape(text)


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    cells = "".join(f"<tr>{''.join(f'<td>{_text(cell)}</td>' for cell in row)}</tr>" for row in rows)
    return f'<div class="wide"><table><tr>{"".join(f"<th>{_text(name)}</th>" for name in head)}</tr>{cells}</table></div>'


def _guards(told: Told) -> str:
    return _table(
        ("without", "GPU-hours", "more", "late or failed", "more", "starts"),
        [
            (price.guard.name, *backtest_words.changed(price.figures, price.without), f"{price.figures.starts:,.0f}")
            for price in told.result.prices
        ],
    )


# ── the picture ──────────────────────────────────────────────────────────────────────────────────────────────────────────────


def _picture(told: Told) -> Iterator[str]:
    """Yield the load as an area and the replicas of each run as steps, over one axis of time."""
    runs = [(name, ran.timeline) for name, ran in told.rows() if ran.timeline is not None]
    if not runs:
        return
    load = runs[0][1].load_per_s / told.question.replica.requests_per_s
    most = float(max(load.max(initial=1.0), *(timeline.wanted.max(initial=1) for _, timeline in runs)))
    keys = [f'<span class="key" style="background:var(--run{at})"></span>{_text(name)}' for at, (name, _) in enumerate(runs)]
    keys.append('<span class="key" style="background:var(--load)"></span>load, in replicas’ worth')
    yield f"<p>{' &emsp; '.join(keys)}</p>"
    yield f'<div class="wide"><svg viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img" aria-label="replicas over time">'
    yield from _axes(told, most)
    yield f'<path d="{_steps(load, most)} V{_y(0.0, most):.1f} H{_LEFT} Z" fill="var(--load)"/>'
    for at, (_, timeline) in enumerate(runs):
        yield f'<path d="{_steps(_wanted(timeline), most)}" fill="none" stroke="var(--run{at})" stroke-width="1.5"/>'
    yield "</svg></div>"


def _wanted(timeline: Timeline) -> NDArray[np.float64]:
    return timeline.wanted.astype(np.float64)


def _axes(told: Told, most: float) -> Iterator[str]:
    for share in (0.0, 0.5, 1.0):
        y = _y(share * most, most)
        yield f'<line x1="{_LEFT}" x2="{_WIDTH}" y1="{y:.1f}" y2="{y:.1f}" stroke="var(--line)"/>'
        yield f'<text x="{_LEFT - 6}" y="{y + 4:.1f}" text-anchor="end">{share * most:.3g}</text>'
    start_s, duration_s = told.span
    for share, anchor in ((0.0, "start"), (0.5, "middle"), (1.0, "end")):
        at = rfc3339(round(start_s + share * duration_s))
        yield f'<text x="{_LEFT + share * (_WIDTH - _LEFT):.1f}" y="{_HEIGHT - 4}" text-anchor="{anchor}">{at}</text>'


def _steps(values: NDArray[np.float64], most: float) -> str:
    """Return *values* as a path of steps; those that stay the same are one line."""
    each = (_WIDTH - _LEFT) / max(1, len(values))
    changes = (np.flatnonzero(np.diff(values)) + 1).tolist()
    path = (f" H{_LEFT + at * each:.1f} V{_y(float(values[at]), most):.1f}" for at in changes)
    return f"M{_LEFT} {_y(float(values[0]), most):.1f}{''.join(path)} H{_WIDTH}"


def _y(value: float, most: float) -> float:
    top = 8
    return (_HEIGHT - _BOTTOM) - (_HEIGHT - _BOTTOM - top) * value / most
