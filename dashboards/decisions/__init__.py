"""*Decisions*: of one scaler, why its number is what it is, what was expected, and what came of it for those who wait."""

from dashboards import page, words
from dashboards.decisions import capacity, expected, seen, sight, why
from dashboards.page import Page
from dashboards.selection import of_one, one


def build() -> Page:
    """Return the dashboard."""
    return Page(
        uid=page.DECISIONS,
        title="Leadtime / Decisions",
        text="One InferenceScaler: what its signals ask for, what was decided and why, what was expected, and what came of it.",
        variables=_variables(),
        annotations=[
            page.events("Scaled up", words.BLUE, _changes("up"), title="Scaled up", text="decided by {{reason}}", at_value=True),
            page.events(
                "Scaled down", words.GREEN, _changes("down"), title="Scaled down", text="decided by {{reason}}", at_value=True
            ),
            page.events(
                "Conflict",
                words.RED,
                one("leadtime_condition", 'type="Conflict"', by="reason"),
                title="Somebody else set the replicas",
                text="{{reason}}",
            ),
        ],
        rows=[why.now(), why.why(), expected.forecast(), seen.users(), capacity.capacity(), sight.sight()],
        span="now-3h",
    )


def _variables() -> list[page.Variable]:
    workload = page.variable(
        "workload",
        "Workload",
        'label_values(leadtime_condition{job=~"$job",namespace="$namespace",scaler="$scaler"}, target)',
        "The name of what is scaled: its pods are told by it.",
        regex="/.+\\/(.+)/",
    )
    slo = page.textbox("slo", "First token within (s)", "0.5", "What users are promised: seconds until the first token.")
    return [
        page.job(),
        page.variable(
            "namespace", "Namespace", 'label_values(leadtime_condition{job=~"$job"}, namespace)', "The scaler's namespace."
        ),
        page.variable(
            "scaler",
            "Scaler",
            'label_values(leadtime_condition{job=~"$job",namespace="$namespace"}, scaler)',
            "The InferenceScaler.",
        ),
        page.hidden(workload),
        slo,
    ]


def _changes(direction: str) -> str:
    """Return when replicas were last changed, in milliseconds; a change that is a new one is a new time."""
    change = of_one("leadtime_last_change_timestamp_seconds", f'direction="{direction}"')
    return f"1000 * max by (reason) ({change})"
