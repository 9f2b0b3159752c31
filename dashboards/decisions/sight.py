"""What decisions rest on: the age and the coverage of the signals, and the conditions."""

from dashboards import panels, words
from dashboards.page import Row
from dashboards.panels import Box, Query
from dashboards.selection import one


def sight() -> Row:
    """Return the row of what decisions rest on."""
    return Row(
        "What it rests on",
        [
            panels.lines(
                Box(
                    title="Data age",
                    text="Age of each signal's oldest sample when it was decided on: the scrape interval, the exporter's own "
                    "and the adapter's add up to it. A line that climbs is a source that has stopped.",
                    unit="s",
                    width=8,
                ),
                Query(one("leadtime_metric_age_seconds", by="signal"), "{{signal}}"),
            ),
            panels.lines(
                Box(
                    title="Coverage",
                    text="Share of the pods that each signal speaks for. Below scaleDown.minCoverageRatio nothing is scaled down.",
                    unit="percentunit",
                    width=8,
                    decimals=0,
                    empty="there are no pods",
                ),
                Query(one("leadtime_signal_coverage_ratio", by="signal"), "{{signal}}"),
                most=1,
            ),
            panels.states(
                Box(
                    title="Conditions and signals",
                    text="Each condition of the object, and whether each signal is there and young enough to count. Red wants "
                    "somebody.",
                    unit="none",
                    width=8,
                ),
                Query(one("leadtime_condition", by="type"), "{{type}}"),
                Query(one("leadtime_signal_fresh", by="signal"), "signal {{signal}}"),
                mappings=[words.truth(words.CONDITIONS["SignalsFresh"])],
                overrides={kind: panels.said(pair) for kind, pair in words.CONDITIONS.items()},
            ),
        ],
    )
