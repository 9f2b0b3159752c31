"""*Fleet*: every scaler at a glance, what it costs, and which of them wants somebody."""

from dashboards import page
from dashboards.fleet import changes, cost, scalers
from dashboards.page import Page


def build() -> Page:
    """Return the dashboard."""
    return Page(
        uid=page.FLEET,
        title="Leadtime / Fleet",
        text="Every InferenceScaler: how it stands, why, how old its data is, and what it costs.",
        variables=[page.job(), _namespaces()],
        rows=[scalers.now(), scalers.scalers(), changes.replicas(), cost.money()],
    )


def _namespaces() -> page.Variable:
    query = 'label_values(leadtime_condition{job=~"$job"}, namespace)'
    return page.variable("namespace", "Namespace", query, "The namespaces whose scalers are shown.", several=True)
