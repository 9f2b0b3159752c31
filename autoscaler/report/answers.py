"""The conditions of each scaler as a page that Prometheus reads: 1 while one is True, 0 while it is False, nothing while unknown.

They are given for scalers that cannot be decided on, too; their lines are written when something is told, and not at every scrape.
"""

from collections.abc import Iterable, Sequence

from autoscaler.report import conditions, text
from autoscaler.report.conditions import Condition

_NAME = "leadtime_condition"
_VALUES = {conditions.TRUE: 1, conditions.FALSE: 0}


def lines(labels: str, answers: Sequence[Condition]) -> str:
    """Return the lines of one scaler's *answers*; *labels* are those of all its series."""
    return "".join(
        f'{_NAME}{{{labels},type="{one.type}",reason="{one.reason}"}} {_VALUES[one.status]}\n'
        for one in answers
        if one.status in _VALUES
    )


def page(of_scalers: Iterable[str]) -> bytes:
    """Return all *lines* in the text format."""
    return text.family(_NAME, "1 while a condition is True, 0 while it is False.", of_scalers).encode()
