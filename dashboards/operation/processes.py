"""What both daemons take of their machine."""

from dashboards import panels
from dashboards.page import Row
from dashboards.panels import Box, Query
from dashboards.selection import of_adapter, of_controller, of_daemons, rate


def processes() -> Row:
    """Return the row of both processes."""
    name = "{{job}} {{pod}} {{instance}}"
    lag = " or ".join((of_controller("leadtime_event_loop_lag_seconds"), of_adapter("leadtime_adapter_event_loop_lag_seconds")))
    return Row(
        "Processes",
        [
            panels.lines(
                Box(
                    title="Memory",
                    text="Resident. A line that climbs for days is a leak; one that reaches the limit is killed.",
                    unit="bytes",
                    width=8,
                ),
                Query(of_daemons("process_resident_memory_bytes"), name),
            ),
            panels.lines(
                Box(
                    title="CPU",
                    text="Cores in use. Each daemon is one process with one event loop: at 1 it is full.",
                    unit="short",
                    width=8,
                    decimals=3,
                ),
                Query(rate(of_daemons("process_cpu_seconds_total")), name),
            ),
            panels.lines(
                Box(
                    title="Event loop lag",
                    text="How late the event loop last woke. Above a tenth of a second everything is late by as much.",
                    unit="s",
                    width=8,
                ),
                Query(lag, name),
                bound=0.1,
            ),
        ],
    )
