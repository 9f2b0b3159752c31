"""*Operator*: whether the two daemons keep up, what they ask and are asked, and what of their sources has gone."""

from dashboards import page, panels, words
from dashboards.operation import collecting, kube, loop, processes
from dashboards.page import Page, Row
from dashboards.panels import Box, Query
from dashboards.selection import of_adapter, of_controller

_ALARM = ((None, words.GREEN), (1.0, words.RED))


def build() -> Page:
    """Return the dashboard."""
    adapter = page.variable(
        "adapter_job",
        "Adapter",
        "label_values(leadtime_adapter_config_reload_successful, job)",
        "The adapter's scrape job; several where this Prometheus scrapes several installations.",
        several=True,
    )
    return Page(
        uid=page.OPERATOR,
        title="Leadtime / Operator",
        text="The autoscaler and the adapter themselves: who leads, whether they keep up, what they ask and what they answer.",
        variables=[page.job(), adapter],
        annotations=[
            page.events(
                "Leader",
                words.PURPLE,
                f"changes({of_controller('leadtime_leader')}[1m]) > 0",
                title="The lease changed hands",
                text="{{pod}} {{instance}}",
            )
        ],
        rows=[_now(), loop.controller(), kube.api(), collecting.adapter(), processes.processes()],
    )


def _now() -> Row:
    def box(title: str, text: str, unit: str = "short", empty: str = "no data", width: int = 5) -> Box:
        return Box(title=title, text=text, unit=unit, width=width, height=4, decimals=0, empty=empty)

    expiry = of_adapter("leadtime_adapter_serving_certificate_expiry_timestamp_seconds")
    return Row(
        "Now",
        [
            panels.number(
                box("Leaders", "Replicas that hold the Lease and decide: 1. With 0 nobody decides.", empty=loop.NO_LEADER),
                Query(f"sum({of_controller('leadtime_leader')})"),
                limits=((None, words.RED), (1.0, words.GREEN), (2.0, words.RED)),
            ),
            panels.number(
                box("Oldest decision", "Age of the last decision on the scaler that has waited longest.", unit="s"),
                Query(f"max(min by (namespace, scaler) ({of_controller('leadtime_decision_age_seconds')}))"),
                limits=((None, words.GREEN), (60.0, words.RED)),
            ),
            panels.number(
                box("Rules down", "Rules of the adapter whose last collection failed. The panel below names them."),
                Query(f"sum(1 - max by (rule) ({of_adapter('leadtime_adapter_rule_up')}))"),
                limits=_ALARM,
            ),
            panels.number(
                box(
                    "Configuration", "Whether the configuration that is on disk is in force. A bad one is refused; the last stays."
                ),
                Query(f"min({of_adapter('leadtime_adapter_config_reload_successful')})"),
                mappings=[words.truth((words.Word("in force", words.GREEN), words.Word("refused", words.RED)))],
                limits=((None, words.RED), (1.0, words.GREEN)),
            ),
            panels.number(
                box(
                    "Certificate",
                    "How long the adapter's serving certificate is still good. It is renewed well before.",
                    unit="s",
                    width=4,
                ),
                Query(f"min({expiry}) - time()"),
                limits=((None, words.RED), (86_400.0, words.GREEN)),
            ),
        ],
    )
