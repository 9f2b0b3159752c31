"""The tiers of the test suite: which tier a test belongs to, and what this machine lacks to run it.

A test's tier is the folder it lies in: ``tests/integration``, ``tests/cluster`` and ``tests/browser``; everything else is a unit
test. A tier that cannot run is skipped with one line that says what is missing, and `LEADTIME_REQUIRE` (``all``, or a list such
as ``integration,cluster``) makes that a failure.
"""

import os
import shutil
from collections.abc import Mapping
from pathlib import Path

from tests.cluster import build

UNIT = "unit"
#: Every tier, in the order in which they are run: the quick ones first.
ALL = (UNIT, "integration", "cluster", "browser")

#: Names the tiers that must not be skipped.
REQUIRE = "LEADTIME_REQUIRE"
#: The kubeconfig of an existing cluster to run the cluster tier against.
KUBECONFIG = "LEADTIME_KUBECONFIG"
#: This machine's address as that cluster's API server reaches it.
HOST = "LEADTIME_HOST"

_TESTS = Path(__file__).parent
_CHROMIUMS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")


class UnknownTierError(Exception):
    """Somebody named a tier that does not exist; the message lists those that do."""


def folder(tier: str) -> Path:
    """Return the folder of *tier*'s tests; the unit tier's holds the other tiers' folders too."""
    return _TESTS if tier == UNIT else _TESTS / tier


def of(path: Path) -> str:
    """Return the tier of the test module at *path*."""
    return next((tier for tier in ALL if tier != UNIT and path.is_relative_to(folder(tier))), UNIT)


def chromium() -> str | None:
    """Return the path of the system's Chromium, or None where there is none."""
    return next((found for name in _CHROMIUMS if (found := shutil.which(name))), None)


def missing(tier: str) -> str | None:
    """Return one line that says what this machine lacks to run *tier*, or None when it can."""
    if tier == "cluster":
        unbuilt = build.missing()
        if not unbuilt:
            return None
        if shutil.which("go") is None:
            return "cluster tier: needs Go (https://go.dev) on PATH to build the control plane"
        return f"cluster tier: {', '.join(unbuilt)} not built yet: run 'make components'"
    if tier == "browser" and chromium() is None:
        return f"browser tier: needs Chromium on PATH ({', '.join(_CHROMIUMS)})"
    return None


def required(environment: Mapping[str, str] = os.environ) -> frozenset[str]:
    """Return the tiers that `LEADTIME_REQUIRE` names; raise `UnknownTierError` for a name that is no tier."""
    names = {name.strip() for name in environment.get(REQUIRE, "").split(",")} - {""}
    if "all" in names:
        return frozenset(ALL)
    if unknown := names.difference(ALL):
        raise UnknownTierError(f"{REQUIRE}: no tier {', '.join(sorted(unknown))}; there are all, {', '.join(ALL)}")
    return frozenset(names)
