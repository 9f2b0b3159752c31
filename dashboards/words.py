"""What stands for a value on a panel: a word and a colour for each reason, each condition, and yes and no."""

from collections.abc import Mapping
from typing import NamedTuple

from grafana_foundation_sdk.models import dashboard

from autoscaler.decision.model import Rule

GREEN, YELLOW, ORANGE, RED = "green", "yellow", "orange", "red"
BLUE, PURPLE, GREY = "blue", "purple", "#808080"


class Word(NamedTuple):
    """How a value is shown."""

    text: str
    color: str


#: Every rule of docs/reasons.md. Blue follows the load, purple is ahead of it, green lets go, yellow waits, orange is at a limit
#: that somebody set, red wants somebody.
REASONS: Mapping[Rule, Word] = {
    Rule.START: Word("unchanged", "light-blue"),
    Rule.DISABLED: Word("scaling disabled", GREY),
    Rule.OUT_OF_BOUNDS: Word("brought within bounds", "dark-orange"),
    Rule.DEMAND: Word("demand", BLUE),
    Rule.DOWN_RULE: Word("scale-down rule holds", "light-yellow"),
    Rule.FORECAST: Word("forecast", PURPLE),
    Rule.PROMOTION: Word("promotion", "semi-dark-purple"),
    Rule.IDLE: Word("idle", "light-green"),
    Rule.ZERO: Word("scaled to zero", "dark-green"),
    Rule.WAKE: Word("woken from zero", "dark-blue"),
    Rule.METRIC_LOSS: Word("metrics lost", "dark-red"),
    Rule.SCHEDULE: Word("schedule", "light-purple"),
    Rule.UP_WINDOW: Word("up-window holds", "semi-dark-yellow"),
    Rule.DOWN_WINDOW: Word("down-window holds", YELLOW),
    Rule.URGENT: Word("urgent queue", "super-light-red"),
    Rule.COOLDOWN: Word("cool-down", "dark-yellow"),
    Rule.RESTART: Word("after a restart", "super-light-yellow"),
    Rule.UP_RATE: Word("up-rate", "semi-dark-orange"),
    Rule.DOWN_RATE: Word("down-rate", GREEN),
    Rule.MIN: Word("minReplicas", "super-light-orange"),
    Rule.MAX: Word("maxReplicas", ORANGE),
    Rule.WARM_POOL: Word("warm pool", "super-light-purple"),
    Rule.BUDGET: Word("budget", "light-orange"),
    Rule.UNSCHEDULABLE: Word("unschedulable", RED),
    Rule.ROLL_OUT: Word("roll-out", "super-light-blue"),
    Rule.PAUSED: Word("paused", "text"),
    Rule.CONFLICT: Word("conflict", "semi-dark-red"),
}

#: What it means that a condition is true, and that it is false.
CONDITIONS: Mapping[str, tuple[Word, Word]] = {
    "Ready": (Word("ready", GREEN), Word("not ready", RED)),
    "Active": (Word("acting", GREEN), Word("not acting", YELLOW)),
    "Limited": (Word("limited", ORANGE), Word("within limits", GREEN)),
    "SignalsFresh": (Word("fresh", GREEN), Word("missed", RED)),
    "ForecastUsed": (Word("used", PURPLE), Word("not used", GREY)),
    "Conflict": (Word("conflict", RED), Word("no other writer", GREEN)),
    "CapacityBlocked": (Word("blocked", RED), Word("available", GREEN)),
}

YES_NO = (Word("yes", GREEN), Word("no", RED))


def reasons() -> dashboard.ValueMapping:
    """Return the mapping of every reason's name."""
    return mapping({str(rule): word for rule, word in REASONS.items()})


def truth(words: tuple[Word, Word]) -> dashboard.ValueMapping:
    """Return the mapping of 1 and 0."""
    true, false = words
    return mapping({"1": true, "0": false})


def mapping(words: Mapping[str, Word]) -> dashboard.ValueMapping:
    """Return a mapping of values to *words*."""
    return dashboard.ValueMap(
        {
            value: dashboard.ValueMappingResult(text=word.text, color=word.color, index=position)
            for position, (value, word) in enumerate(words.items())
        }
    )
