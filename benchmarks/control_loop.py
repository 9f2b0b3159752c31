"""The control loop: how soon targets are scaled, beside the real HPA controller in one run, and what 5,000 of them cost.

python -m benchmarks.control_loop --json
"""

import dataclasses
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path

if __package__ in {None, ""}:  # run as a file: what stands beside this folder is not importable yet
    sys.path[0] = str(Path(__file__).resolve().parents[1])

from rich.table import Table

from autoscaler.decision.model import ForecastMode
from benchmarks import claims, loop_decide, loop_reactions, loop_step, loop_thousands, ours, page, pods
from benchmarks.claims import Claim, say
from benchmarks.loop_thousands import Cost
from benchmarks.scalings import Spread
from tests.cluster import controlplane

_SCRAPE_S = 1.0
_REACTION_S = 3.0  # beyond the interval in which the exporter is read
_STEP, _TRIALS, _TARGETS = 1000, 25, 5000
_WINDOW_S = 120.0


def run(*, quick: bool) -> claims.Outcome:
    """Measure all of it and return the claims."""
    step, trials, targets, window_s, repeats = (50, 5, 200, 20.0, 3) if quick else (_STEP, _TRIALS, _TARGETS, _WINDOW_S, 25)
    decide_us = loop_decide.measure(repeats=repeats)
    with tempfile.TemporaryDirectory(prefix="leadtime-benchmark-") as name:
        folder = Path(name)
        cost, bare = (
            loop_thousands.measure(folder / f"thousands-{mode}", targets=targets, window_s=window_s, forecast=mode)
            for mode in (ForecastMode.GATED, ForecastMode.OFF)
        )
        say("starting a control plane …")
        with controlplane.start(folder / "plane", hpa_defaults=True) as plane, page.serve() as served:
            # Each target has a pod more once it is scaled, and two while they come and go.
            pods.add_nodes(plane, 3 * (step + 2 * trials))
            with ours.start(plane, folder / "adapter", page.adapter(served, _SCRAPE_S)):
                growth = loop_reactions.measure(plane, served, folder, trials)
                steps = loop_step.measure(plane, served, folder, step)
    hpa_queue, our_queue, woken = growth
    hpa_step, our_step = steps
    found = [
        Claim(f"last_scaled_vs_hpa_{step}", our_step.last / hpa_step.last, 0.1, "≤"),
        Claim("queue_to_scale_p95_s", our_queue.p95, _SCRAPE_S + _REACTION_S, "≤"),
        Claim("decide_us", decide_us, 150.0, "≤"),
        Claim(f"core_share_{targets}", cost.core_share, 0.5, "≤"),
        Claim(f"late_ticks_{targets}", float(cost.late), 0.0, "≤"),
        Claim(f"rss_mib_{targets}", cost.rss_mib, 250.0, "≤"),
        Claim("wake_from_zero_p95_s", woken.p95, 3.0, "≤"),
    ]
    spreads = {
        f"{step} targets step at once, HPA": hpa_step,
        f"{step} targets step at once, ours": our_step,
        f"a queue grows, {trials} trials, HPA": hpa_queue,
        f"a queue grows, {trials} trials, ours": our_queue,
        f"waking from zero, {trials} trials, ours": woken,
    }
    figures = {
        "cost": [dataclasses.asdict(each) for each in (cost, bare)],
        "seconds": {name: dataclasses.asdict(each) for name, each in spreads.items()},
    }
    return claims.Outcome(claims=found, tables=[_delays(spreads), _costs(cost, bare)], figures=figures)


def _delays(spreads: Mapping[str, Spread]) -> Table:
    table = Table("seconds until the replicas are changed", title="How soon", title_justify="left")
    for heading in ("first", "median", "p95", "last"):
        table.add_column(heading, justify="right")
    for name, each in spreads.items():
        table.add_row(name, f"{each.first:.1f}", f"{each.median:.1f}", f"{each.p95:.1f}", f"{each.last:.1f}")
    return table


def _costs(*costs: Cost) -> Table:
    title = f"{costs[0].targets} targets on a period of {loop_thousands.PERIOD_S:g} s, for {costs[0].window_s:.0f} s"
    table = Table("the controller", title=title, title_justify="left")
    for cost in costs:
        table.add_column(f"forecasts {cost.forecast}", justify="right")
    for what, values in (
        ("share of a core", [f"{cost.core_share:.0%}" for cost in costs]),
        ("ticks", [f"{cost.ticks}" for cost in costs]),
        ("ticks that came late", [f"{cost.late}" for cost in costs]),
        ("memory, MiB", [f"{cost.rss_mib:.0f}" for cost in costs]),
        ("writes a second", [f"{cost.writes_per_s:.0f}" for cost in costs]),
        ("share of a core of its API server", [f"{cost.server_share:.0%}" for cost in costs]),
    ):
        table.add_row(what, *values)
    return table


if __name__ == "__main__":
    claims.main("control_loop", "How soon targets are scaled, and what thousands of them cost.", run)
