"""The number of now, the signals that ask for it, and the rules that decided it."""

from dashboards import panels, words
from dashboards.page import Row
from dashboards.panels import Box, Query
from dashboards.selection import of_one, one


def now() -> Row:
    """Return the row of what holds now."""
    figures = (
        ("desired", "desired"), ("current", "asked for"), ("ready", "ready"), ("starting", "starting"), ("warm", "warm"),
        ("min", "min"), ("max", "max"),
    )  # fmt: skip
    return Row(
        "Now",
        [
            panels.number(
                Box(
                    title="Replicas",
                    text="Desired is what was decided last, and asked for what the target's spec says. Ready and starting are "
                    "its pods; warm ones are ready without requests. Min and max are the bounds in force.",
                    unit="short",
                    width=10,
                    height=4,
                    decimals=0,
                ),
                *(Query(one(f"leadtime_{name}_replicas"), said) for name, said in figures),
            ),
            panels.number(
                Box(
                    title="Reason",
                    text="The rule that decided the number. docs/reasons.md has a paragraph for each; `leadtime explain isc` "
                    "has the whole trail.",
                    unit="none",
                    width=5,
                    height=4,
                ),
                Query(one("leadtime_decision_reason", by="reason"), "{{reason}}"),
                names=True,
            ),
            panels.number(
                Box(
                    title="Leading signal",
                    text="The signal that asks for most of those that are believed.",
                    unit="none",
                    width=5,
                    height=4,
                    empty="none",
                ),
                Query(one("leadtime_leading_signal", by="signal"), "{{signal}}"),
                names=True,
            ),
            panels.number(
                Box(
                    title="Decided ago",
                    text="Age of the last decision. Above a minute nobody decides: see the Operator dashboard.",
                    unit="s",
                    width=4,
                    height=4,
                    decimals=0,
                ),
                Query(f"min({of_one('leadtime_decision_age_seconds')})"),
                limits=((None, words.GREEN), (60.0, words.RED)),
            ),
        ],
    )


def why() -> Row:
    """Return the row that says why the number is what it is."""
    replicas = (
        Query(one("leadtime_desired_replicas"), "desired"),
        Query(one("leadtime_ready_replicas"), "ready"),
    )
    steps = {
        "desired": {**panels.STEPS, **panels.coloured("text"), "custom.lineWidth": 3},
        "ready": {**panels.STEPS, **panels.coloured(words.GREEN), "custom.fillOpacity": 15},
    }
    right = {
        "custom.axisPlacement": "right",
        "custom.axisLabel": "replicas",
        "custom.thresholdsStyle": {"mode": "off"},
        "unit": "short",
        "decimals": 0,
    }
    return Row(
        "Why",
        [
            panels.lines(
                Box(
                    title="What the signals ask for, and what was decided",
                    text="All in replicas. Each thin line is what a signal asks for, the thick step what was decided, the green "
                    "area what is ready. The step follows the highest line that is believed; where it does not, the next panel "
                    "names the rule.",
                    unit="short",
                    width=24,
                    height=10,
                    decimals=1,
                ),
                Query(one("leadtime_signal_demand", by="signal"), "{{signal}}"),
                *replicas,
                Query(one("leadtime_min_replicas"), "min"),
                Query(one("leadtime_max_replicas"), "max"),
                overrides={
                    **steps,
                    "min": {**panels.DASHED, **panels.coloured(words.GREY)},
                    "max": {**panels.DASHED, **panels.coloured(words.ORANGE)},
                },
            ),
            panels.named_states(
                Box(
                    title="Reason",
                    text="The rule that decided the number, over time. Blue follows the load, purple is ahead of it, green lets "
                    "go, yellow waits, orange is at a limit that somebody set, red wants somebody. docs/reasons.md explains "
                    "each.",
                    unit="none",
                    width=24,
                    height=4,
                ),
                one("leadtime_decision_reason", by="reason"),
                "reason",
                mappings=[words.reasons()],
            ),
            panels.lines(
                Box(
                    title="Signals against their targets",
                    text="Each signal as a share of its target: at 100 % the replicas that are there are just enough. The steps "
                    "are the replicas, by the right axis. A signal that cannot be counted on has no line.",
                    unit="percentunit",
                    width=16,
                    height=9,
                    decimals=0,
                ),
                Query(f"{one('leadtime_signal_value', by='signal')} / {one('leadtime_signal_target', by='signal')}", "{{signal}}"),
                *replicas,
                bound=1.0,
                overrides={name: {**properties, **right} for name, properties in steps.items()},
            ),
            panels.states(
                Box(
                    title="Held back by",
                    text="Each limit that made the number another than what was asked for, while it did.",
                    unit="none",
                    width=8,
                    height=9,
                    empty="no limit binds",
                ),
                Query(one("leadtime_limited", by="rule"), "{{rule}}"),
                mappings=[words.mapping({"1": words.Word("limits", words.ORANGE)})],
            ),
        ],
    )
