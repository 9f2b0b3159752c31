"""What can go wrong in forecasting, by who can do something about it."""


class ForecastingError(Exception):
    """The base of all errors that this package raises."""


class InputError(ForecastingError, ValueError):
    """What was passed in cannot be what was meant: a wrong shape, an impossible step. The caller mends the call."""


class StateError(ForecastingError):
    """A saved state cannot be taken up: damaged, of another version, or of an engine with another specification.

    The caller starts afresh and learns from history again.
    """


class ModelError(ForecastingError):
    """A model could not be fitted to a series. The caller keeps what it has."""
