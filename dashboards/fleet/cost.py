"""The GPUs of all scalers, how busy they are, and what they cost."""

from dashboards import panels, words
from dashboards.fleet import devices, links
from dashboards.page import Row
from dashboards.panels import Box, Query
from dashboards.selection import BY_SCALER, by_target, fleet, of_all, of_controller


def money() -> Row:
    """Return the row of GPUs and what they cost."""
    held = fleet("leadtime_gpus", by=f"{BY_SCALER}, state, gpu, capacity")
    price = f"max by (gpu, capacity, currency) ({of_controller('leadtime_gpu_hour_price')})"
    spent = f"sum(increase({of_all('leadtime_gpu_seconds_total')}[$__range])) / 3600"
    peak = f"max_over_time((sum({held}))[$__range:$__interval]) * $__range_s / 3600"
    return Row(
        "GPUs and cost",
        [
            panels.lines(
                Box(
                    title="GPUs by what their pods do",
                    text="Serving is what you pay for; starting and draining are the price of scaling, warm that of being quick.",
                    unit="short",
                    width=8,
                    decimals=0,
                ),
                Query(f"sum by (state) ({held})", "{{state}}"),
                stacked=True,
            ),
            panels.lines(
                Box(
                    title="GPU utilisation",
                    text="DCGM's, mean over the pods of each scaler. Low for long is waste; near 100 % it saturates, and a "
                    "queue says more.",
                    unit="percent",
                    width=8,
                    decimals=0,
                ),
                Query(by_target(f"avg by (namespace, pod) ({devices.BUSY})"), links.EACH),
                most=100,
                links=links.LINKS,
            ),
            panels.lines(
                Box(
                    title="Cost per hour",
                    text="What the GPUs that are held cost in an hour, at the prices of the chart's `autoscaler.prices`, in "
                    "their currency.",
                    unit="short",
                    width=8,
                    decimals=2,
                    empty="no prices are set: docs/cost.md",
                ),
                Query(
                    f"sum by ({BY_SCALER}, currency) ({held} * on (gpu, capacity) group_left (currency) {price})",
                    f"{links.EACH} ({{{{currency}}}})",
                ),
                stacked=True,
                links=links.LINKS,
            ),
            panels.number(
                Box(title="GPU-hours", text="Held in the chosen time.", unit="short", width=4, height=8, decimals=1),
                Query(spent),
            ),
            panels.number(
                Box(
                    title="GPU-hours saved",
                    text="Against holding the chosen time's peak all along, as a fixed number of replicas would.",
                    unit="short",
                    width=4,
                    height=8,
                    decimals=1,
                ),
                Query(f"{peak} - {spent}"),
                limits=((None, words.GREEN),),
            ),
            panels.lines(
                Box(
                    title="GPU-hours per day",
                    text="Each bar is the day before it, by scaler. Choose a week or more.",
                    unit="short",
                    width=8,
                    decimals=1,
                ),
                Query(
                    f"sum by ({BY_SCALER}) (increase({of_all('leadtime_gpu_seconds_total')}[1d])) / 3600",
                    links.EACH,
                    interval="1d",
                ),
                stacked=True,
                bars=True,
            ),
            panels.lines(
                Box(
                    title="Cost per day",
                    text="Each bar is the day before it, by scaler and by how the capacity was bought. Choose a week or more.",
                    unit="short",
                    width=8,
                    decimals=2,
                    empty="no prices are set: docs/cost.md",
                ),
                Query(
                    f"sum by ({BY_SCALER}, capacity, currency) (increase({of_all('leadtime_cost_total')}[1d]))",
                    f"{links.EACH} {{{{capacity}}}} ({{{{currency}}}})",
                    interval="1d",
                ),
                stacked=True,
                bars=True,
            ),
        ],
    )
