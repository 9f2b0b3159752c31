"""The reference pages that are made of the code, and the list of runbooks: ``python -m tests.docs.generate`` writes them anew.

A test makes them again and compares. The tables of `docs/inferencescaler.md` are made by `autoscaler.resource.reference`.
"""

import re
from collections.abc import Callable, Mapping

from tests.docs import pages
from tests.docs.reference import adapter_metrics, chart_values, commands, rules_and_presets

_RUNBOOKS = re.compile(r"(?<=  - Runbooks:\n)(?: {6}- .*\n)+")


def navigation() -> str:
    """Return `mkdocs.yml` with every runbook in it, in the order of their names; the page of all alerts is the first."""
    runbooks = sorted(file.relative_to(pages.DOCS).as_posix() for file in (pages.DOCS / "runbooks").glob("*.md"))
    lines = "".join(f"      - {name}\n" for name in ("alerts.md", *runbooks))
    return _RUNBOOKS.sub(lambda _: lines, (pages.ROOT / "mkdocs.yml").read_text(encoding="utf-8"))


#: Every file that is made, by its path, and what makes it.
MADE: Mapping[str, Callable[[], str]] = {
    "docs/reference/adapter-metrics.md": adapter_metrics.page,
    "docs/reference/chart-values.md": chart_values.page,
    "docs/reference/commands.md": commands.page,
    "docs/reference/rules-and-presets.md": rules_and_presets.page,
    "mkdocs.yml": navigation,
}


def main() -> None:
    """Write every file."""
    for name, make in MADE.items():
        (pages.ROOT / name).write_text(make(), encoding="utf-8")
        print(name)


if __name__ == "__main__":
    main()
