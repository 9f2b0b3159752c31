"""Pods that start, wait and stay warm, and the GPUs that they hold."""

from dashboards import panels, words
from dashboards.page import Row
from dashboards.panels import Box, Query
from dashboards.selection import of_one, one, rate

_STARTUP = "leadtime_startup_duration_seconds"


def capacity() -> Row:
    """Return the row of pods and GPUs."""
    promotions = of_one("leadtime_promotions_total")
    started = of_one(f"{_STARTUP}_bucket", 'phase="total"')
    phase = f"sum by (phase) ({rate(of_one(_STARTUP + '_sum'))}) / sum by (phase) ({rate(of_one(_STARTUP + '_count'))})"
    held = one("leadtime_gpus", by="state, gpu, capacity")
    return Row(
        "Capacity",
        [
            panels.lines(
                Box(
                    title="Serving, warm and promoted",
                    text="Replicas decided on: those that are to get requests, and on top those that are ready without. A "
                    "promotion gives warm pods requests at once, where a new pod would take a whole start-up.",
                    unit="short",
                    width=8,
                    decimals=0,
                ),
                Query(one("leadtime_serving_replicas"), "serving"),
                Query(one("leadtime_warm_replicas"), "warm"),
                Query(f"sum(increase({promotions}[$__rate_interval]))", "promoted", interval="1m"),
                overrides={
                    "/serving|warm/": {
                        **panels.STEPS,
                        "custom.stacking": {"mode": "normal", "group": "A"},
                        "custom.fillOpacity": 30,
                    },
                    "promoted": {**panels.coloured(words.PURPLE), "custom.drawStyle": "bars", "custom.fillOpacity": 80},
                },
            ),
            panels.histogram(
                Box(
                    title="Start-ups",
                    text="How long pods took from their creation to ready: one more cell of colour is one more start in that "
                    "range. Two bands are images that were cached and images that were not.",
                    unit="s",
                    width=8,
                    empty="no pod has started",
                ),
                f"sum by (le) (increase({started}[$__rate_interval]))",
            ),
            panels.lines(
                Box(
                    title="The next start-up",
                    text="How long the next pod will take: the median and what nine in ten and ninety-nine in a hundred keep "
                    "to. The horizon of the forecast grows with it. Dots are starts that were seen, by phase.",
                    unit="s",
                    width=8,
                ),
                Query(one("leadtime_startup_seconds", by="quantile"), "p{{quantile}}"),
                Query(phase, "seen: {{phase}}"),
                Query(one("leadtime_forecast_horizon_seconds"), "horizon"),
                overrides={
                    "/seen:.*/": {"custom.drawStyle": "points", "custom.showPoints": "always", "custom.pointSize": 7},
                    "horizon": {**panels.DASHED, **panels.coloured(words.PURPLE)},
                },
            ),
            panels.lines(
                Box(
                    title="Pods on their way",
                    text="Pods that are not ready, by what they wait for: a node (unschedulable), images and volumes, or the model "
                    "(loading). Red that stays wants nodes, a quota or a taint looked at.",
                    unit="short",
                    width=8,
                    decimals=0,
                ),
                Query(one("leadtime_waiting_pods", by="cause"), "{{cause}}"),
                stacked=True,
                overrides={"unschedulable": panels.coloured(words.RED)},
            ),
            panels.lines(
                Box(
                    title="GPUs by what their pods do",
                    text="Starting and draining are the price of scaling, warm that of being quick.",
                    unit="short",
                    width=8,
                    decimals=0,
                ),
                Query(f"sum by (state) ({held})", "{{state}}"),
                stacked=True,
            ),
            panels.lines(
                Box(
                    title="Cost per hour",
                    text="What the GPUs that are held cost in an hour, by product and by how the capacity was bought.",
                    unit="short",
                    width=8,
                    decimals=2,
                    empty="no prices are set: docs/cost.md",
                ),
                Query(
                    f"3600 * sum by (gpu, capacity, currency) ({rate(of_one('leadtime_cost_total'))})",
                    "{{gpu}} {{capacity}} ({{currency}})",
                ),
                stacked=True,
            ),
        ],
    )
