"""Forecasts: how good, beside the last value and libraries' models on the same origins, and what thousands of them cost.

python -m benchmarks.forecasting --data FOLDER --json

FOLDER holds files with ``timestamp_s,requests`` columns, ``.csv`` or ``.csv.gz``; without it, made series stand in, which say that
the benchmark works and nothing about its goals. README.md beside this file tells the protocol.
"""

import argparse
import json
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

if __package__ in {None, ""}:  # run as a file: what stands beside this folder is not importable yet
    sys.path[0] = str(Path(__file__).resolve().parents[1])

import numpy as np
from rich.console import Console
from rich.table import Table

from benchmarks import claims, forecast_ablation, forecast_accuracy, forecast_cost, forecast_series, forecast_shocks
from benchmarks.claims import Claim
from benchmarks.forecast_ablation import Line
from benchmarks.forecast_accuracy import Compared, Rival
from benchmarks.forecast_cost import Cost
from benchmarks.forecast_series import Collection, Group
from benchmarks.forecast_shocks import Shock
from forecasting.backtest import Issued
from forecasting.engine import Engine
from forecasting.errors import InputError
from forecasting.forecast import Array, Target

PARTS = ("accuracy", "maximum", "coarse", "cold", "shocks", "libraries", "ablation", "refits", "cost")

#: Goals by the horizon in minutes.
_P90 = {1: 0.88, 5: 0.83, 10: 0.80, 30: 0.78}
_MAE = {1: 0.88, 5: 0.83, 10: 0.80, 30: 0.79}
_WORST_HOUR = {1: 0.84, 5: 0.81, 10: 0.79, 30: 0.76}
_MAX = {5: 0.87, 10: 0.84, 30: 0.81}
_COARSE = {5: 0.96, 10: 0.96, 30: 0.90}
_LIBRARY = {1: 0.87, 5: 0.82, 10: 0.82, 30: 0.82}
_COLD_COVERAGE = {1: 0.85, 5: 0.85, 10: 0.85, 30: 0.80}
_SHOCKS = {Shock.SPIKE: 1.05, Shock.NEGATIVE: 1.05, Shock.GAP: 1.05, Shock.LEVEL_UP: 1.05, Shock.LEVEL_DOWN: 1.6}
_WORST_SERIES = 1.03
_COVERAGE, _COVERAGE_HIGHEST, _COVERAGE_SERIES = 0.885, 0.92, 0.87


@dataclass(slots=True)
class _Found:
    """What has been found so far."""

    claims: list[Claim] = field(default_factory=list)
    tables: list[Table] = field(default_factory=list)
    figures: dict[str, object] = field(default_factory=dict)


def run(folder: Path | None, parts: Iterable[str], *, origins: int, quick: bool) -> claims.Outcome:
    """Measure *parts* and return the claims."""
    wanted, found = set(parts), _Found()
    collection = forecast_series.collect(folder, days=4, most=4) if quick else forecast_series.collect(folder)
    found.tables.append(_series(collection))
    if collection.minutes is None:
        claims.say("no series with a step of a minute or less has three days: most claims are of such series")
    else:
        _on_minutes(found, collection.minutes, wanted, origins)
    if "coarse" in wanted:
        for group in collection.coarse:
            _coarse(found, group)
    if "cold" in wanted:
        _cold(found, [group for group in collection.groups if group not in collection.coarse])
    if "cost" in wanted:
        _cost(found, ticks=100 if quick else 400)
    return claims.Outcome(claims=found.claims, tables=found.tables, figures=found.figures)


def _on_minutes(found: _Found, group: Group, wanted: set[str], origins: int) -> None:
    """Measure what is only measured on series of minutes."""
    if wanted & {"accuracy", "libraries"}:
        compared, ours, reference = forecast_accuracy.compare(group, Target.AT)
        if "accuracy" in wanted:
            _accuracy(found, compared)
        if "libraries" in wanted:
            _libraries(found, group, ours, reference, origins)
    if "maximum" in wanted:
        _maximum(found, group)
    if "shocks" in wanted:
        _shocks(found, group)
    if "ablation" in wanted:
        _ablation(found, group, forecast_ablation.measure(group))
    if "refits" in wanted:
        line, told = forecast_ablation.lane(group)
        found.figures["refits"] = told
        _ablation(found, group, [line])


def _accuracy(found: _Found, compared: Compared) -> None:
    minutes = compared.group.minutes
    p90, mae = _by_horizon(minutes, compared.p90), _by_horizon(minutes, compared.mae)
    found.claims += [Claim(f"pinball_p90_vs_last_{m}min", p90[m], _P90[m], "≤") for m in minutes]
    found.claims.append(Claim("pinball_p90_worst_series", float(np.nanmax(compared.p90)), _WORST_SERIES, "≤"))
    found.claims += [Claim(f"mae_vs_last_{m}min", mae[m], _MAE[m], "≤") for m in minutes]
    mean = np.nanmean(compared.coverage, axis=0)
    found.claims += [
        Claim("coverage_p90_mean", float(mean.min()), _COVERAGE, "≥"),
        Claim("coverage_p90_mean_highest", float(mean.max()), _COVERAGE_HIGHEST, "≤"),
        Claim("coverage_p90_worst_series", float(np.nanmin(compared.coverage)), _COVERAGE_SERIES, "≥"),
    ]
    hours = np.nanmean(compared.worst_hour, axis=0)
    found.claims += [
        Claim(f"worst_hour_p90_{m}min", float(hour), _WORST_HOUR[m], "≥") for m, hour in zip(minutes, hours, strict=True)
    ]
    _show(found, "at", compared)


def _maximum(found: _Found, group: Group) -> None:
    compared, _, _ = forecast_accuracy.compare(group, Target.MAX)
    p90 = _by_horizon(group.minutes, compared.p90)
    found.claims += [Claim(f"max_target_p90_vs_last_{m}min", p90[m], goal, "≤") for m, goal in _MAX.items()]
    found.claims.append(Claim("max_target_p90_worst_series", float(np.nanmax(compared.p90)), _WORST_SERIES, "≤"))
    _show(found, "max", compared)


def _coarse(found: _Found, group: Group) -> None:
    compared, _, _ = forecast_accuracy.compare(group, Target.AT)
    p90 = _by_horizon(group.minutes, compared.p90)
    found.claims += [Claim(f"step_{group.step_s}s_p90_vs_last_{m}min", p90[m], _COARSE[m], "≤") for m in group.minutes]
    found.claims.append(Claim(f"step_{group.step_s}s_p90_worst_series", float(np.nanmax(compared.p90)), _WORST_SERIES, "≤"))
    _show(found, f"at, step {group.step_s} s", compared)


def _cold(found: _Found, groups: Sequence[Group]) -> None:
    """Start from nothing: claims are of series of minutes, long and short."""
    fine = [group for group in groups if group.step_s == forecast_series.MINUTE_S]
    if fine:
        minutes = fine[0].minutes
        names, mae, p90, coverage = forecast_accuracy.cold(fine)
        by_mae, covered = _by_horizon(minutes, mae), np.nanmean(coverage, axis=0)
        found.claims += [Claim(f"cold_start_mae_vs_last_{m}min", by_mae[m], 1.0, "≤") for m in minutes]
        found.claims += [
            Claim(f"cold_start_coverage_{m}min", float(each), _COLD_COVERAGE[m], "≥")
            for m, each in zip(minutes, covered, strict=True)
        ]
        title = "Minutes 10 to 120 from nothing, by series"
        table = _table(title, "series", minutes, ("MAE ÷ last", "p90 ÷ last + tracker", "coverage"))
        for row, name in enumerate(names):
            table.add_row(name, *_cells(mae[row], p90[row], coverage[row]))
        found.tables.append(table)
    for group in groups:
        if group not in fine:
            compared, _, _ = forecast_accuracy.compare(group, Target.AT, from_start=True)
            _show(found, f"at, step {group.step_s} s, short series from nothing", compared)


def _shocks(found: _Found, group: Group) -> None:
    measured = forecast_shocks.measure(group, Engine)
    by_shock = {shock: _geometric(ratios) for shock, ratios in measured.items()}
    found.claims += [Claim(f"first_hour_after_{shock}_vs_last", by_shock[shock], goal, "≤") for shock, goal in _SHOCKS.items()]
    table = Table("disturbance", title="The first hour after, MAE ÷ last value, 5 minutes ahead", title_justify="left")
    for heading in ("mean", "worst series"):
        table.add_column(heading, justify="right")
    for shock, ratios in measured.items():
        table.add_row(shock, f"{by_shock[shock]:.3f}", f"{np.nanmax(ratios):.3f}")
    found.tables.append(table)


def _libraries(found: _Found, group: Group, ours: Issued, reference: Issued, origins: int) -> None:
    *rivals, engine = forecast_accuracy.rivals(group, ours, reference, origins)
    means = {rival.name: forecast_accuracy.means(rival.p90) for rival in (*rivals, engine)}
    for place, m in enumerate(group.minutes):
        best = min(rivals, key=lambda rival: means[rival.name][place])
        value = means[engine.name][place] / means[best.name][place]
        found.claims.append(Claim(f"vs_best_library_{m}min", value, _LIBRARY[m], "≤"))
        found.figures[f"best_library_{m}min"] = best.name
    title = f"Libraries on the same {origins} origins of each series; ratios are to the last value (+ tracker for the p90)"
    table = _table(title, "model", group.minutes, ("p90", "MAE", "coverage"))
    table.add_column("fit, ms", justify="right")
    table.add_column("failed", justify="right")
    for rival in (*rivals, engine):
        table.add_row(rival.name, *_rival_cells(rival), f"{rival.fit_ms:.1f}", str(rival.failed))
    found.tables.append(table)
    found.figures["libraries"] = {name: [round(each, 4) for each in mean] for name, mean in means.items()}


def _ablation(found: _Found, group: Group, lines: Sequence[Line]) -> None:
    table = _table("What the loss grows to without a part; worst: of any series", "engine", group.minutes, ("p90", "MAE"))
    for heading in ("worst", "best", *(str(shock) for shock in lines[0].shocks)):
        table.add_column(heading, justify="right")
    told: dict[str, object] = {}
    for line in lines:
        extremes = (f"{np.nanmax(line.p90):.3f}", f"{np.nanmin(line.p90):.3f}")
        p90, mae = forecast_accuracy.means(line.p90), forecast_accuracy.means(line.mae)
        table.add_row(
            line.name, *_cells(np.array(p90), np.array(mae)), *extremes, *(f"{each:.3f}" for each in line.shocks.values())
        )
        told[line.name] = {"p90": p90, "mae": mae, "shocks": {str(shock): each for shock, each in line.shocks.items()}}
    found.tables.append(table)
    found.figures.setdefault("ablation", {}).update(told)  # type: ignore[attr-defined]


def _cost(found: _Found, *, ticks: int) -> None:
    cost = forecast_cost.measure(ticks=ticks)
    name, fits_per_s = forecast_cost.autoets()
    import_ms, strangers = forecast_cost.importing()
    found.claims += [
        Claim(f"tick_ms_{cost.series}", cost.tick_p99_ms, 50.0, "≤"),
        Claim(f"series_per_s_vs_{name.split()[-1].lower()}", cost.series_per_s / fits_per_s, 1000.0, "≥"),
        Claim("state_kib_per_series", cost.state_kib, 30.0, "≤"),
        Claim(f"rss_mib_{cost.series}", cost.rss_mib, 300.0, "≤"),
        Claim("import_ms", import_ms, 150.0, "≤"),
        Claim("import_strangers", float(len(strangers)), 0.0, "≤"),
    ]
    found.tables.append(_costs(cost, name, fits_per_s))


def _costs(cost: Cost, name: str, fits_per_s: float) -> Table:
    table = Table(f"{cost.series} series, 4 horizons, 3 quantiles, one core", "", title="What it costs", title_justify="left")
    for what, value in (
        ("a tick, median, ms", f"{cost.tick_ms:.1f}"),
        ("a tick, p99, ms", f"{cost.tick_p99_ms:.1f}"),
        ("series a second", f"{cost.series_per_s:,.0f}"),
        (f"{name}, series a second", f"{fits_per_s:.0f}"),
        ("memory of the process, MiB", f"{cost.rss_mib:.0f}"),
        ("state of a series, saved, KiB", f"{cost.state_kib:.1f}"),
        ("saving all, s", f"{cost.save_s:.2f}"),
        ("loading all, s", f"{cost.load_s:.2f}"),
    ):
        table.add_row(what, value)
    return table


def _series(collection: Collection) -> Table:
    table = Table("series", title="Series", title_justify="left")
    for heading in ("step, s", "days", "gaps", "mean", "zero"):
        table.add_column(heading, justify="right")
    for group in collection.groups:
        for name, load in group.loads.items():
            known = load.values[~load.gaps]
            days = len(load) * load.step_s / forecast_series.DAY_S
            cells = (f"{days:.2f}", str(int(load.gaps.sum())), f"{known.mean():.4g}", f"{(known == 0).mean():.1%}")
            table.add_row(name, str(load.step_s), *cells)
    return table


def _show(found: _Found, what: str, compared: Compared) -> None:
    """Add the table and the figures of one comparison."""
    minutes = compared.group.minutes
    headings = ("p90 ÷ last + tracker", "MAE ÷ last", "coverage", "worst hour")
    table = _table(f"Target {what}", "series", minutes, headings)
    figures = (compared.p90, compared.mae, compared.coverage, compared.worst_hour)
    for row, name in enumerate(compared.group.loads):
        table.add_row(name, *_cells(*(figure[row] for figure in figures)))
    table.add_section()
    means = [np.array(forecast_accuracy.means(figure)) for figure in figures[:2]]
    averages = [np.nanmean(figure, axis=0) for figure in figures[2:]]
    table.add_row("mean", *_cells(*means, *averages))
    for place, bound in enumerate(("90 % interval, from", "to")):
        bounds = [np.array([each[place] for each in forecast_accuracy.spread(figure)]) for figure in figures[:2]]
        table.add_row(bound, *_cells(*bounds))
    found.tables.append(table)
    found.figures[f"target {what}"] = {
        "minutes": list(minutes),
        "p90": means[0].round(4).tolist(),
        "mae": means[1].round(4).tolist(),
        "crps": [round(each, 4) for each in forecast_accuracy.means(compared.crps)],
        "coverage": averages[0].round(4).tolist(),
        "worst_hour": averages[1].round(4).tolist(),
        "p90_by_series": {name: compared.p90[row].round(4).tolist() for row, name in enumerate(compared.group.loads)},
    }


def _table(title: str, first: str, minutes: Sequence[int], headings: Sequence[str]) -> Table:
    """Return a table with a column for each heading, which holds a figure for each horizon."""
    table = Table(first, title=f"{title} ({'/'.join(map(str, minutes))} min)", title_justify="left")
    for heading in headings:
        table.add_column(heading, justify="right")
    return table


def _cells(*figures: Array) -> list[str]:
    return [" ".join(f"{each:5.3f}" for each in figure) for figure in figures]


def _rival_cells(rival: Rival) -> list[str]:
    means = [np.array(forecast_accuracy.means(figure)) for figure in (rival.p90, rival.mae)]
    return _cells(*means, np.nanmean(rival.coverage, axis=0))


def _by_horizon(minutes: Sequence[int], ratios: Array) -> dict[int, float]:
    return dict(zip(minutes, forecast_accuracy.means(ratios), strict=True))


def _geometric(ratios: Array) -> float:
    return forecast_accuracy.means(ratios[:, None])[0]


def main() -> int:
    """Run as a program; return 2 if the folder cannot be used."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.forecasting", description=__doc__.partition("\n")[0])
    parser.add_argument(
        "--data", type=Path, help="a folder of series, .csv or .csv.gz with timestamp_s and requests; else made ones"
    )
    parser.add_argument("--origins", type=int, default=20, help="origins of each series at which libraries are fitted (20)")
    parser.add_argument("--only", nargs="+", choices=PARTS, default=PARTS, help="measure these parts")
    parser.add_argument("--json", action="store_true", help="print one JSON object with the claims as the last line")
    parser.add_argument("--quick", action="store_true", help="fewer cases and shorter: tries the benchmark, proves nothing")
    told = parser.parse_args()
    parts = [part for part in told.only if not (told.quick and part in {"ablation", "refits"} and told.only is PARTS)]
    try:
        outcome = run(told.data, parts, origins=3 if told.quick else told.origins, quick=told.quick)
    except (InputError, OSError) as exc:
        print(exc, file=sys.stderr)
        return 2
    console = Console(width=None if sys.stdout.isatty() else 170)
    for table in (*outcome.tables, claims.table_of(outcome.claims)):
        console.print(table)
    if told.json:
        found = [claim.document() for claim in outcome.claims]
        print(json.dumps({"benchmark": "forecasting", "quick": told.quick, "claims": found, **outcome.figures}), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
