"""Lines of the text format, written by hand: for tens of thousands of series a library takes seconds of CPU at every scrape."""

from collections.abc import Iterable


def family(name: str, text: str, samples: Iterable[str], kind: str = "gauge") -> str:
    """Return the metric *name* with its *samples*, whole lines each; *text* says what it is, and *kind* of which type."""
    return "".join([f"# HELP {name} {text}\n# TYPE {name} {kind}\n", *samples])


def escaped(text: str) -> str:
    """Return *text* as a label's value, whatever is in it."""
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
