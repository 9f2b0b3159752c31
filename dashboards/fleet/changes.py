"""The replicas of all scalers over time, and what holds them back."""

from dashboards import panels, words
from dashboards.fleet import links
from dashboards.page import Row
from dashboards.panels import Box, Query
from dashboards.selection import BY_SCALER, fleet, of_controller, rate


def replicas() -> Row:
    """Return the row of replicas, and of what holds them back."""
    return Row(
        "Replicas",
        [
            panels.lines(
                Box(
                    title="Replicas desired",
                    text="What was decided for each scaler, warm replicas included. Click a line for the scaler's decisions.",
                    unit="short",
                    width=12,
                    decimals=0,
                ),
                Query(fleet("leadtime_desired_replicas"), links.EACH),
                overrides={"/.*/": panels.STEPS},
                links=links.LINKS,
            ),
            panels.lines(
                Box(
                    title="Replicas short",
                    text="Desired replicas that are not ready. A peak is a scale-up on its way; a plateau is one that gets no "
                    "further.",
                    unit="short",
                    width=12,
                    decimals=0,
                ),
                Query(f"clamp_min({fleet('leadtime_desired_replicas')} - {fleet('leadtime_ready_replicas')}, 0)", links.EACH),
                overrides={"/.*/": panels.STEPS},
                links=links.LINKS,
            ),
            panels.lines(
                Box(
                    title="Decisions per minute",
                    text="What came of the decisions: up, down, hold, or not_acted where a number was recommended only. Of all "
                    "namespaces.",
                    unit="short",
                    width=8,
                ),
                Query(f"60 * sum by (outcome) ({rate(of_controller('leadtime_decisions_total'))})", "{{outcome}}"),
                stacked=True,
            ),
            panels.lines(
                Box(
                    title="Limits in force",
                    text="How many scalers each limit holds back, or pushes up. docs/reasons.md says what each means.",
                    unit="short",
                    width=8,
                    decimals=0,
                    empty="no limit binds",
                ),
                Query(f"count by (rule) ({fleet('leadtime_limited', by=f'{BY_SCALER}, rule')})", "{{rule}}"),
                stacked=True,
            ),
            panels.lines(
                Box(
                    title="Pods on their way",
                    text="Pods that are not ready, by what they wait for: a node (unschedulable), images and volumes, or the model "
                    "(loading).",
                    unit="short",
                    width=8,
                    decimals=0,
                ),
                Query(f"sum by (cause) ({fleet('leadtime_waiting_pods', by=f'{BY_SCALER}, cause')})", "{{cause}}"),
                stacked=True,
                overrides={"unschedulable": panels.coloured(words.RED)},
            ),
        ],
    )
