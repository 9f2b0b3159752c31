"""What the adapter collects, and how it answers."""

from dashboards import panels, words
from dashboards.page import Row
from dashboards.panels import Box, Query
from dashboards.selection import of_adapter, quantile, rate


def adapter() -> Row:
    """Return the row of what is collected, and answered."""
    reads = of_adapter("leadtime_adapter_read_duration_seconds_bucket")
    collected = of_adapter("leadtime_adapter_collection_duration_seconds_bucket")
    age = of_adapter("metrics_apiserver_metric_freshness_seconds_bucket")
    return Row(
        "The adapter",
        [
            panels.lines(
                Box(
                    title="Metrics that are asked for",
                    text="What the API server, and through it HPA and the autoscaler, ask of the APIService, by kind and "
                    "answer. 404 and 503 carry the reason why there is no value.",
                    unit="reqps",
                    width=8,
                ),
                Query(f"sum by (kind, code) ({rate(of_adapter('leadtime_adapter_requests_total'))})", "{{kind}} {{code}}"),
                overrides={"/ 5../": panels.coloured(words.RED)},
            ),
            panels.lines(
                Box(
                    title="Time of a read",
                    text="Time to answer a metric read, without TLS.",
                    unit="s",
                    width=8,
                ),
                Query(quantile(0.5, reads), "p50"),
                Query(quantile(0.99, reads), "p99"),
            ),
            panels.lines(
                Box(
                    title="Age of what is answered, p90",
                    text="Age of the oldest value in each answer, by API. HPA decides on data of this age; ten seconds are good.",
                    unit="s",
                    width=8,
                ),
                Query(quantile(0.9, age, "group"), "{{group}}"),
            ),
            panels.lines(
                Box(
                    title="Collections",
                    text="From each source, by outcome: partial is a source of which some selections failed, broken is a defect "
                    "of ours.",
                    unit="ops",
                    width=6,
                ),
                Query(
                    f"sum by (source, outcome) ({rate(of_adapter('leadtime_adapter_collections_total'))})", "{{source}} {{outcome}}"
                ),
                overrides={"/failed|broken/": panels.coloured(words.RED), "/partial/": panels.coloured(words.YELLOW)},
            ),
            panels.lines(
                Box(
                    title="Time of a collection, p99",
                    text="By source. Longer than the interval, and values age.",
                    unit="s",
                    width=6,
                ),
                Query(quantile(0.99, collected, "source"), "{{source}}"),
            ),
            panels.lines(
                Box(
                    title="Targets down, objects without a value",
                    text="Scrape targets that did not answer, by source, and objects that a rule saw and has no value for, by "
                    "reason.",
                    unit="short",
                    width=6,
                    decimals=0,
                ),
                Query(f"max by (source) ({of_adapter('leadtime_adapter_scrape_targets_down')})", "targets of {{source}}"),
                Query(f"sum by (reason) (max by (rule, reason) ({of_adapter('leadtime_adapter_rule_missing')}))", "{{reason}}"),
            ),
            panels.lines(
                Box(
                    title="Rules without an answer",
                    text="Seconds since each rule last had one. `leadtime explain metric` says why.",
                    unit="s",
                    width=6,
                ),
                Query(
                    f"time() - max by (source, rule) ({of_adapter('leadtime_adapter_rule_last_success_timestamp_seconds')})",
                    "{{source}}: {{rule}}",
                ),
            ),
        ],
    )
