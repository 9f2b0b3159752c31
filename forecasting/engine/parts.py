"""What the engine is made of, by name, and where a forecast came from."""

import enum


class Part(enum.StrEnum):
    """What can be left out of an engine, to see what it is worth."""

    EWMA = "ewma"
    WEEK = "week"
    PROFILE = "profile"
    RIDGE = "ridge"
    AUTOREGRESSION = "autoregression"
    HOURS = "hours"
    GUARD = "guard"
    SHIFT = "shift"
    HOLD = "hold"


class Source(enum.IntEnum):
    """Where the forecast of a row at a horizon came from."""

    COLD = 0
    """There is no forecast yet, or too little was seen for more than the last value."""
    LAST_VALUE = 1
    """The last value: after a level shift, or because it has been better lately."""
    ENSEMBLE = 2
    """The mixture of all forecasts."""
    STALE = 3
    """The last value that is known is too old to tell anything: more than half an hour."""
