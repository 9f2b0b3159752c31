"""What each alert is shown, and what it is to say: the cases that promtool runs.

A case gives series minute by minute, in promtool's notation, and asks at one moment which alerts of one name are firing. `promtool`
turns the cases of an alert into one of promtool's own test files.
"""

import enum
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.manifests.prometheus import rules


class Shows(enum.StrEnum):
    """What a case shows of its alert."""

    FIRES = "fires"
    BELOW = "does not fire: the value is just short of it"
    TOO_SHORT = "does not fire: it has not lasted"
    UNSEEN = "is not misled by series that are not there"


@dataclass(frozen=True, slots=True)
class Fired:
    """An alert that fires, with its labels beside name and severity, and what it says."""

    labels: Mapping[str, str]
    summary: str
    description: str


@dataclass(frozen=True, slots=True)
class Case:
    """One case: the *series* by their selectors, and what fires *at* a time. *says* is a sentence's end."""

    alert: str
    shows: Shows
    says: str
    at: str
    series: Mapping[str, str]
    fires: Sequence[Fired] = field(default_factory=tuple)

    def __post_init__(self) -> None:
        if bool(self.fires) != (self.shows is Shows.FIRES) and self.shows is not Shows.UNSEEN:
            raise ValueError(f"{self.alert}, {self.says}: shows that it {self.shows}, and expects {len(self.fires)} alerts")


def series(name: str, labels: Mapping[str, str]) -> str:
    """Return the selector of one series, as promtool is given it."""
    pairs = ",".join(f'{label}="{value}"' for label, value in labels.items())
    return f"{name}{{{pairs}}}"


def promtool(cases: Iterable[Case], *, rule_file: Path = rules.FILE) -> Mapping[str, Any]:
    """Return *cases* as one file of promtool's unit tests."""
    known = {alert.name: alert for alert in rules.alerts()}
    return {
        "rule_files": [str(rule_file.absolute())],
        "evaluation_interval": "1m",
        "tests": [
            {
                "name": f"{case.alert}: {case.says}",
                "interval": "1m",
                "input_series": [{"series": series, "values": values} for series, values in case.series.items()],
                "alert_rule_test": [
                    {
                        "eval_time": case.at,
                        "alertname": case.alert,
                        "exp_alerts": [_expected(known[case.alert], fired) for fired in case.fires],
                    }
                ],
            }
            for case in cases
        ],
    }


def _expected(alert: rules.Alert, fired: Fired) -> Mapping[str, Any]:
    told = {
        "summary": fired.summary,
        "description": fired.description,
        "runbook_url": f"{rules.RUNBOOK_URL}/{alert.name}",
    }
    if alert.threshold is not None:
        told["threshold"] = alert.threshold
    return {"exp_labels": {**fired.labels, "severity": alert.severity}, "exp_annotations": told}
