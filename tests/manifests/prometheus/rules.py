"""The shipped rule file as data: its groups, its recording rules and its alerts."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from tests.manifests import reading

FILE = reading.ROOT / "prometheus" / "leadtime.rules.yaml"
RUNBOOKS = Path("docs/runbooks")
#: Where the pages of the alerts stand for whoever is paged; the chart has it as a value.
RUNBOOK_URL = "https://leadtime.dev/runbooks"


@dataclass(frozen=True, slots=True, kw_only=True)
class Alert:
    """One alerting rule; *threshold* is None where what it says is yes or no."""

    name: str
    group: str
    expr: str
    hold: str
    keep: str
    severity: str
    annotations: Mapping[str, str]

    @property
    def threshold(self) -> str | None:
        """Return what its value is compared with, as the file spells it."""
        return self.annotations.get("threshold")


@cache
def document() -> Mapping[str, Any]:
    """Return the whole file."""
    found: Mapping[str, Any] = yaml.safe_load(FILE.read_text(encoding="utf-8"))
    return found


def alerts() -> tuple[Alert, ...]:
    """Return every alert, in the file's order."""
    return tuple(
        Alert(
            name=rule["alert"],
            group=group["name"],
            expr=rule["expr"],
            hold=rule["for"],
            keep=rule.get("keep_firing_for", "0s"),
            severity=rule["labels"]["severity"],
            annotations=rule["annotations"],
        )
        for group in document()["groups"]
        for rule in group["rules"]
        if "alert" in rule
    )


def recorded() -> Mapping[str, str]:
    """Return the expression of every recording rule by its name."""
    return {rule["record"]: rule["expr"] for group in document()["groups"] for rule in group["rules"] if "record" in rule}


def expressions() -> Mapping[str, str]:
    """Return every expression by the name of its rule."""
    return {**recorded(), **{alert.name: alert.expr for alert in alerts()}}
