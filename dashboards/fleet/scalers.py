"""How the scalers stand: figures of all, and a table with a row for each."""

from adapter.rules.attribution import EXPORTER_PODS
from dashboards import panels, words
from dashboards.fleet import devices, links
from dashboards.page import Row
from dashboards.panels import Box, Query
from dashboards.selection import BY_SCALER, by_target, fleet, of_all

_ALARM = ((None, words.GREEN), (1.0, words.RED))
_COLUMNS = (
    "Namespace", "Scaler", "Ready", "Mode", "Desired", "Current", "Pods ready", "Min", "Max", "Leading signal", "Reason",
    "Data age", "Utilisation", "GPUs", "Idle GPUs", "GPU-hours", "Cost",
)  # fmt: skip


def now() -> Row:
    """Return the row of what somebody should look at first."""

    def counted(condition: str, *, true: bool) -> str:
        value = fleet("leadtime_condition", f'type="{condition}"')
        return f"sum({value})" if true else f"sum(1 - {value})"

    return Row(
        "Now",
        [
            panels.number(
                Box(title="Scalers", text="InferenceScalers that the controller knows.", unit="short", width=3, height=4),
                Query(f"count({fleet('leadtime_condition', by='namespace, scaler')})"),
            ),
            panels.number(
                Box(
                    title="Not ready",
                    text="Scalers whose object or target is not as it should be: nothing is scaled. The table says which.",
                    unit="short",
                    width=3,
                    height=4,
                ),
                Query(counted("Ready", true=False)),
                limits=_ALARM,
            ),
            panels.number(
                Box(
                    title="Signals missed",
                    text="Scalers of which a signal is missing, too old, or speaks for too few pods. Nothing of theirs is "
                    "scaled down.",
                    unit="short",
                    width=3,
                    height=4,
                ),
                Query(counted("SignalsFresh", true=False)),
                limits=_ALARM,
            ),
            panels.number(
                Box(
                    title="Capacity blocked",
                    text="Scalers that want pods which no node takes, or which their GPU budget does not pay for.",
                    unit="short",
                    width=3,
                    height=4,
                ),
                Query(counted("CapacityBlocked", true=True)),
                limits=_ALARM,
            ),
            panels.number(
                Box(
                    title="Replicas short",
                    text="Replicas that are desired and not ready, over all scalers. More than 0 for longer than a model takes "
                    "to load means that capacity does not come.",
                    unit="short",
                    width=3,
                    height=4,
                ),
                Query(f"sum(clamp_min({fleet('leadtime_desired_replicas')} - {fleet('leadtime_ready_replicas')}, 0))"),
                limits=((None, words.GREEN), (1.0, words.YELLOW)),
            ),
            panels.number(
                Box(
                    title="GPUs held",
                    text="GPUs of the scalers' pods, those included that start, stay warm or drain.",
                    unit="short",
                    width=3,
                    height=4,
                ),
                Query(f"sum({fleet('leadtime_gpus', by=f'{BY_SCALER}, state, gpu, capacity')})"),
            ),
            panels.number(
                Box(
                    title="GPUs idle in pods",
                    text="GPUs of these namespaces' pods, at a mean utilisation below 20 % over the last hour: they are paid "
                    "for and do little.",
                    unit="short",
                    width=3,
                    height=4,
                ),
                Query(f"sum({devices.idle()})"),
                limits=((None, words.GREEN), (1.0, words.YELLOW)),
            ),
            panels.number(
                Box(
                    title="GPUs free",
                    text="GPUs of the cluster that no pod has, by dcgm-exporter. With none left a scale-up waits for a node.",
                    unit="short",
                    width=3,
                    height=4,
                ),
                Query(f'count(DCGM_FI_DEV_GPU_UTIL{{exported_pod="",pod=~"|{EXPORTER_PODS}"}})'),
            ),
        ],
    )


def scalers() -> Row:
    """Return the row of the table of every scaler."""
    used = f"sum by ({BY_SCALER}) (increase({of_all('leadtime_gpu_seconds_total')}[$__range])) / 3600"
    cost = f"sum by ({BY_SCALER}) (increase({of_all('leadtime_cost_total')}[$__range]))"
    columns = [
        ("Ready", fleet("leadtime_condition", 'type="Ready"')),
        ("", fleet("leadtime_scaler_info", by=f"{BY_SCALER}, mode")),
        ("Desired", fleet("leadtime_desired_replicas")),
        ("Current", fleet("leadtime_current_replicas")),
        ("Pods ready", fleet("leadtime_ready_replicas")),
        ("Min", fleet("leadtime_min_replicas")),
        ("Max", fleet("leadtime_max_replicas")),
        ("", fleet("leadtime_leading_signal", by=f"{BY_SCALER}, signal")),
        ("", fleet("leadtime_decision_reason", by=f"{BY_SCALER}, reason")),
        ("Data age", fleet("leadtime_metric_age_seconds")),
        ("Utilisation", by_target(f"avg by (namespace, pod) ({devices.BUSY})")),
        ("GPUs", f"sum by ({BY_SCALER}) ({fleet('leadtime_gpus', by=f'{BY_SCALER}, state, gpu, capacity')})"),
        ("Idle GPUs", by_target(devices.idle(), "sum")),
        ("GPU-hours", used),
        ("Cost", cost),
    ]
    busy = {"type": "gauge", "mode": "basic"}
    overrides: panels.Overrides = {
        "Ready": {**panels.said(words.YES_NO), "custom.cellOptions": {"type": "color-text"}, "custom.width": 70},
        "Reason": {"mappings": [words.reasons()], "custom.cellOptions": {"type": "color-text"}},
        "Data age": {"unit": "s", "decimals": 0},
        "Utilisation": {"unit": "percent", "decimals": 0, "min": 0, "max": 100, "custom.cellOptions": busy},
        "Idle GPUs": {
            "decimals": 0,
            "thresholds": {
                "mode": "absolute",
                "steps": [{"value": None, "color": words.GREEN}, {"value": 1, "color": words.YELLOW}],
            },
            "custom.cellOptions": {"type": "color-text"},
            "custom.width": 85,
        },
        "GPU-hours": {"decimals": 1},
        "Cost": {"decimals": 2},
        "/^(Desired|Current|Pods ready|Min|Max|GPUs)$/": {"custom.width": 85, "decimals": 0},
    }
    labels = {
        "namespace": "Namespace", "scaler": "Scaler", "mode": "Mode", "signal": "Leading signal", "reason": "Reason",
    }  # fmt: skip
    text = (
        "One row a scaler. Desired is what was decided last, Current what the target asks for, Pods ready what is there; Min "
        "and Max are the bounds in force. The leading signal asks for most, and the reason is the rule that decided the number. "
        "Data age is that of the oldest sample in the decision. Idle GPUs are those that did little for an hour. GPU-hours "
        "and cost are those of the chosen time. Click a cell for its decisions."
    )
    return Row(
        "Scalers",
        [
            panels.listing(
                Box(title="Every scaler", text=text, unit="short", width=24, height=11, empty="-"),
                columns,
                labels={**labels, "target": "Target"},
                order=[*_COLUMNS, "Target"],
                overrides=overrides,
                links=[("Decisions of this scaler", links.TO_DECISIONS)],
            )
        ],
    )
