"""Times as users spell them on the command line."""

import datetime as dt

import typer


def at(text: str, *, forms: str = "RFC 3339 nor Unix seconds") -> float:
    """Return a time as Unix seconds; one without an offset is UTC.

    Raises `typer.BadParameter`, which says which *forms* it has not.
    """
    try:
        return float(text)
    except ValueError:
        pass
    try:
        found = dt.datetime.fromisoformat(text)
    except ValueError as error:
        raise typer.BadParameter(f"{text!r} is neither {forms}", param_hint="--at") from error
    return (found if found.tzinfo else found.replace(tzinfo=dt.UTC)).timestamp()
