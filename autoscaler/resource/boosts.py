"""A boost as it is written on an InferenceScaler: an annotation, since it is a moment's wish and no part of what is kept in git.

``leadtime.dev/boost: 6 until 2027-01-15T09:30:00Z`` is at least 6 replicas until then, within the scaler's bounds. What cannot be
read is ignored and said: a slip in an annotation must not stop the steering.
"""

import datetime as dt
from collections.abc import Mapping

from autoscaler.decision.schedule import Boost
from autoscaler.resource.scaler import GROUP

ANNOTATION = f"{GROUP}/boost"

_MOST_REPLICAS = 100_000
_SHOWN = 60


def spell(boost: Boost) -> str:
    """Return *boost* as the annotation has it; its end is a whole second."""
    end = dt.datetime.fromtimestamp(round(boost.until), dt.UTC).isoformat(timespec="seconds")
    return f"{boost.min_replicas} until {end.replace('+00:00', 'Z')}"


def parse(text: str) -> Boost:
    """Return what *text* says. Raise `ValueError`, in words for its author, for anything else than ``N until RFC3339``."""
    replicas, word, end = text.strip().partition(" until ")
    if not (word and replicas.isascii() and replicas.isdigit() and len(replicas) <= len(str(_MOST_REPLICAS))):
        raise ValueError(f"{_short(text)} is not `REPLICAS until TIME`, as in `6 until 2027-01-15T09:30:00Z`")
    if not 1 <= int(replicas) <= _MOST_REPLICAS:
        raise ValueError(f"{replicas} replicas are not between 1 and {_MOST_REPLICAS}")
    try:
        until = dt.datetime.fromisoformat(end.strip())
    except ValueError as error:
        raise ValueError(f"{_short(end)} is no time, as in `2027-01-15T09:30:00Z`") from error
    if until.tzinfo is None:
        raise ValueError(f"{_short(end)} has no offset: end it in Z")
    try:
        boost = Boost(min_replicas=int(replicas), until=until.timestamp())
        spell(boost)  # as every decision does with its end: in UTC a time can be past the last year there is
    except (OverflowError, ValueError) as error:
        raise ValueError(f"{_short(end)} is no time that a clock can show: in UTC its year has to be between 1 and 9999") from error
    return boost


def read(annotations: Mapping[str, str]) -> tuple[Boost | None, tuple[str, ...]]:
    """Return the boost among *annotations*, if there is one, and what is wrong with it, if anything is."""
    text = annotations.get(ANNOTATION)
    if text is None:
        return None, ()
    try:
        return parse(text), ()
    except ValueError as error:
        return None, (f"metadata.annotations[{ANNOTATION}]: {error}; there is no boost",)


def _short(text: str) -> str:
    flat = "".join(char if char.isprintable() else " " for char in text)
    return repr(flat if len(flat) <= _SHOWN else flat[: _SHOWN - 1] + "…")
