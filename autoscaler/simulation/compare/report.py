"""A comparison as one page: nothing is loaded from elsewhere, nothing runs, and it is printed as well as it is read on a phone."""

import math
from collections.abc import Iterator, Sequence
from html import escape

from autoscaler.simulation.compare import claims, plots, summary, tuning
from autoscaler.simulation.compare.claims import Claim
from autoscaler.simulation.compare.statistics import Bound, Estimate
from autoscaler.simulation.compare.study import Judged, Plan, Results
from autoscaler.simulation.compare.style import STYLE
from autoscaler.simulation.compare.summary import Line, Result

_COLUMNS = (
    ("policy", "What it is a port of stands below the tables."),
    ("in time", "Share of requests answered within the objective."),
    ("late", "Answered, but not within the objective."),
    ("failed", "Timed out, refused or killed."),
    ("GPU-hours", "From the moment a pod was scheduled until it was gone: starting, warm and draining pods are paid for."),
    ("less than hpa tuned", "GPU-hours that it takes less, each at its own tightness, with the 95 % interval."),
    (f"GPU-hours for {summary.IN_TIME}", "Read from its front."),
    ("over optimum", "So much more for that than the clairvoyant plan."),
    ("GPU busy", "Share of paid GPU time in which the GPUs computed."),
    ("starts", "Pods that were created."),
    ("reversals", "Changes that went the other way than the one before, within ten minutes."),
    ("p99 first token", "Seconds until the first token, for 99 of 100 requests."),
)


TITLE = "Leadtime compared"


def page(results: Results, told: Sequence[Claim]) -> str:
    """Return the whole page."""
    return "\n".join(
        [
            "<!doctype html>",
            '<html lang="en"><head><meta charset="utf-8"/>',
            '<meta name="viewport" content="width=device-width, initial-scale=1"/>',
            f"<title>{TITLE}</title><style>{STYLE}</style></head><body><main>",
            f'<h1>{TITLE}</h1><p class="label">{escape(summary.LABEL)}</p>',
            *_about(results.plan),
            *_claims(told),
            *_contents(results.judged),
            *(part for place, judged in enumerate(results.judged) for part in _trace(judged, place)),
            *_families(results.plan),
            "</main></body></html>",
        ]
    )


def _about(plan: Plan) -> Iterator[str]:
    few = min(plan.seeds, plan.other_seeds)
    yield f"""<p>Every policy met the same loads with the same luck, bounds and signals, and had {plan.budget.configurations}
        configurations tried for it, at {len(tuning.LEVELS)} levels of tightness, on an earlier part of each trace. It is judged on
        the last part.</p>"""
    for case in plan.cases[:1]:
        startup, slo = case.base.startup, case.base.slo
        yield f"""<p>Nine of ten pods start within {startup.p90_s:g} s. A request is in time when its first token comes within
            {slo.first_token_s:g} s and the others {1000 * slo.between_tokens_s:g} ms apart on average.</p>"""
    yield f"""<p>Claims rest on {plan.seeds} seeds, other lines on {few}. What is saved is the mean over the bursty traces, where
        there are any. Dots are levels of one knob, tightness, that divides all targets: hollow as shipped, full when tuned.</p>"""


def _claims(told: Sequence[Claim]) -> Iterator[str]:
    yield "<h2>Claims</h2>"
    head = ("claim", "value", "95 % interval", "goal", "holds", "on")
    rows = []
    for claim in told:
        interval = "" if claim.interval is None else f"{claim.interval.low:.1%} to {claim.interval.high:.1%}"
        goal = "" if claim.goal is None else f"{claim.bound} {claim.goal:.0%}"
        rows.append((claim.name, _percent(claim.value), interval, goal, _holds(claim.holds), claim.note))
    yield _table(head, rows, kinds=[_kind(claim.holds) for claim in told], words=True)


def _contents(judged: Sequence[Judged]) -> Iterator[str]:
    yield "<h2>Traces</h2><ul>"
    for place, each in enumerate(judged):
        counts = summary.counted(summary.verdicts(each))
        against = f" — {claims.OURS_TUNED}: {counts}" if counts else ""
        yield f'<li><a href="#trace-{place}">{escape(each.case.name)}</a> ({escape(each.case.shape)}){escape(against)}</li>'
    yield "</ul>"


def _trace(judged: Judged, place: int) -> Iterator[str]:
    case = judged.case
    yield f'<section id="trace-{place}"><h2>{escape(case.name)}</h2>'
    hours, earlier = case.test.duration_s / 3600.0, case.cut_s / 3600.0
    yield f"""<p>{escape(case.shape)}; {escape(case.note)}; judged on its last {hours:.1f} h, tuned on as long, {earlier:.1f} h
        earlier.</p>"""
    told = summary.verdicts(judged)
    if told:
        yield "<ul>"
        yield from (f'<li class="{_CLASSES[verdict.result]}">{escape(str(verdict))}</li>' for verdict in told)
        yield "</ul>"
    shown = summary.lines(judged)
    yield _table([name for name, _ in _COLUMNS], [_cells(line) for line in shown], titles=[about for _, about in _COLUMNS])
    yield '<div class="plots">'
    yield from _figures(judged)
    yield "</div>"
    changed = [line for line in shown if line.settings]
    if changed:
        yield f"<details><summary>Settings that tuning chose on {escape(case.name)}</summary>"
        yield _table(("policy", "other than its defaults"), [(line.name, _settings(line)) for line in changed], words=True)
        yield "</details>"
    yield "</section>"


def _figures(judged: Judged) -> Iterator[str]:
    yield _figure(plots.fronts(judged), f"GPU-hours and requests that are not in time, {judged.case.name}", plots.legend(judged))
    for name, drawing in plots.timelines(judged):
        yield _figure(drawing, f"{name} on {judged.case.name}, one seed", plots.STATES)


def _figure(drawing: str, caption: str, legend: Sequence[tuple[str, str]]) -> str:
    keys = "".join(f'<span class="key"><i class="{escape(style)}"></i>{escape(words)}</span>' for style, words in legend)
    return f"<figure><figcaption>{escape(caption)}</figcaption>{drawing}<p>{keys}</p></figure>"


def _cells(line: Line) -> tuple[str, ...]:
    return (
        line.name,
        f"{line.attainment_ratio:.2%}",
        f"{line.late:,.0f}",
        f"{line.failed:,.0f}",
        f"{line.gpu_hours:,.1f}",
        _less(line.less_than_hpa),
        _at_limit(line),
        "" if line.over_optimum is None else f"{line.over_optimum:+.0%}",
        f"{line.utilization_ratio:.0%}",
        f"{line.starts:,.0f}",
        f"{line.reversals:,.0f}",
        "" if math.isnan(line.first_token_p99_s) else f"{line.first_token_p99_s:.2f}",
    )


def _less(estimate: Estimate | None) -> str:
    if estimate is None:
        return ""
    if estimate.interval is None:
        return f"{estimate.value:+.1f}"
    return f"{estimate.value:+.1f} ({estimate.interval.low:+.1f} to {estimate.interval.high:+.1f})"


def _at_limit(line: Line) -> str:
    if not line.at_limit.known:
        return "not reached"
    return f"{'≤ ' if line.at_limit.bound is Bound.AT_MOST else ''}{line.at_limit.value:,.1f}"


def _settings(line: Line) -> str:
    return ", ".join(f"{knob} {value}" for knob, value in line.settings)


def _families(plan: Plan) -> Iterator[str]:
    yield "<h2>Who took part</h2>"
    yield _table(("policy", "what it is"), [(family.name, family.about) for family in plan.families], words=True)


def _table(
    head: Sequence[str],
    rows: Sequence[Sequence[str]],
    *,
    titles: Sequence[str] = (),
    kinds: Sequence[str] = (),
    words: bool = False,
) -> str:
    """Return a table that scrolls by itself where the page is too narrow for it; with *words*, its last column is prose."""
    about = titles or [""] * len(head)
    heads = "".join(f'<th scope="col" title="{escape(title)}">{escape(name)}</th>' for name, title in zip(head, about, strict=True))
    lines = []
    for place, row in enumerate(rows):
        kind = f' class="{kinds[place]}"' if kinds and kinds[place] else ""
        first, *others = row
        cells = "".join(f"<td>{escape(cell)}</td>" for cell in others)
        lines.append(f'<tr{kind}><th scope="row">{escape(first)}</th>{cells}</tr>')
    of_words = ' class="words"' if words else ""
    return f'<div class="scroll"><table{of_words}><thead><tr>{heads}</tr></thead><tbody>{"".join(lines)}</tbody></table></div>'


_CLASSES = {Result.WINS: "good", Result.LOSES: "bad", Result.EVEN: "", Result.UNKNOWN: ""}


def _percent(value: float | None) -> str:
    return "not known" if value is None else f"{value:.1%}"


def _holds(holds: bool | None) -> str:
    return "" if holds is None else "yes" if holds else "no"


def _kind(holds: bool | None) -> str:
    return "" if holds is None else "good" if holds else "bad"
