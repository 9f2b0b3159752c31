"""Every dashboard there is, and where they are kept."""

from pathlib import Path

from dashboards import decisions, fleet, operation
from dashboards.page import Page

FOLDER = Path(__file__).parents[1] / "manifests" / "grafana"


def every() -> tuple[Page, ...]:
    """Return every dashboard."""
    return fleet.build(), decisions.build(), operation.build()
