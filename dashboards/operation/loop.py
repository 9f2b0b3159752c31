"""The control loop: who leads, and whether it keeps up."""

from dashboards import panels, words
from dashboards.page import Row
from dashboards.panels import Box, Query
from dashboards.selection import of_controller, quantile, rate

NO_LEADER = "no series: does Prometheus scrape the autoscaler?"


def controller() -> Row:
    """Return the row of the control loop."""
    ticks = of_controller("leadtime_tick_duration_seconds_bucket")
    return Row(
        "The controller's loop",
        [
            panels.states(
                Box(
                    title="Leader",
                    text="Which replica decides. One row of colour at any time; a gap in all of them is a time without a leader.",
                    unit="none",
                    width=8,
                    empty=NO_LEADER,
                ),
                Query(f"max by (pod, instance) ({of_controller('leadtime_leader')})", "{{pod}} {{instance}}"),
                mappings=[words.truth((words.Word("leads", words.PURPLE), words.Word("stands by", words.GREY)))],
            ),
            panels.lines(
                Box(
                    title="Ticks",
                    text="Targets decided on per second, and of those the ones begun more than a second late. Late ones mean "
                    "that the CPU is too small, or that the event loop is held up.",
                    unit="ops",
                    width=8,
                ),
                Query(f"sum({rate(of_controller('leadtime_ticks_total'))})", "ticks"),
                Query(f"sum({rate(of_controller('leadtime_ticks_late_total'))})", "late"),
                overrides={"late": panels.coloured(words.RED)},
            ),
            panels.lines(
                Box(
                    title="Time of a tick",
                    text="Time to look at one target and to decide. Times the number of scalers, over the period, it is the "
                    "loop's load.",
                    unit="s",
                    width=8,
                ),
                Query(quantile(0.5, ticks), "p50"),
                Query(quantile(0.99, ticks), "p99"),
            ),
            panels.lines(
                Box(
                    title="Replicas set",
                    text="Requests that set replicas, by what became of them: conflict is a target that changed meanwhile and "
                    "is looked at again; everything else but ok is a condition of the scaler.",
                    unit="reqps",
                    width=12,
                ),
                Query(f"sum by (result) ({rate(of_controller('leadtime_scale_requests_total'))})", "{{result}}"),
                overrides={"ok": panels.coloured(words.GREEN)},
            ),
            panels.lines(
                Box(
                    title="Loads that came too late",
                    text="Loads for a minute that was over, which forecasts do not learn from. More than none means that a "
                    "clock was set back.",
                    unit="short",
                    width=12,
                    decimals=0,
                ),
                Query(f"sum(increase({of_controller('leadtime_forecast_late_loads_total')}[$__rate_interval]))", "dropped"),
            ),
        ],
    )
