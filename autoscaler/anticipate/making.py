"""Puts a forecaster of loads together, as the settings have it. To import this module is to load all that it computes with."""

import time

from autoscaler.anticipate.anticipation import Anticipation
from autoscaler.anticipate.refits import Refits, Refitting
from autoscaler.history import History
from autoscaler.report.telemetry import Telemetry
from autoscaler.settings import Foresight
from forecasting.forecast import Spec


def anticipation(
    foresight: Foresight, *, history: History | None, refitter: Refitting | None, telemetry: Telemetry
) -> Anticipation:
    """Return one that learns the past from *history* and has its models fitted anew by *refitter*, where there are these."""
    spec = Spec(step_s=foresight.step_s, day_s=foresight.day_s)
    refits = Refits(spec, refitter, every_s=3600.0 * foresight.refit_hours, clock=time.time) if refitter is not None else None
    return Anticipation(spec=spec, history=history, folder=foresight.state_dir, telemetry=telemetry, refits=refits)
