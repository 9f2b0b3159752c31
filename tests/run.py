"""Run the test suite tier by tier: ``python -m tests.run [unit|integration|cluster|browser|all]``.

Each tier is a pytest of its own, so its last line ("N passed") stays on the screen and a tier's leftovers cannot disturb the
next. Before the cluster tier the control plane's programs are built where Go is present and they are not yet. A closing
summary says which tiers ran, how they ended and how long they took.
"""

import os
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import dataclass

from tests import tiers
from tests.cluster import build

_CONTROL_PLANES = 2
_INTERRUPTED = 130  # what shells report after Ctrl-C


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """How one tier ended."""

    tier: str
    status: int
    took_s: float
    missing: str | None

    @property
    def words(self) -> str:
        """Return the outcome as the summary shows it."""
        if self.status != 0:
            return f"FAILED (pytest exited {self.status})"
        return "passed" if self.missing is None else f"skipped: {self.missing}"


def command(tier: str) -> list[str]:
    """Return the pytest command for *tier*."""
    words = [sys.executable, "-m", "pytest", str(tiers.folder(tier))]
    if tier == "cluster" and not os.environ.get(tiers.KUBECONFIG):
        # Its tests mostly wait for controllers: each worker has a control plane of its own, and takes whole files.
        return [*words, f"--numprocesses={_CONTROL_PLANES}", "--dist=loadfile", "--no-loadscope-reorder"]
    if tier != tiers.UNIT:
        return words
    others = (f"--ignore={tiers.folder(other)}" for other in tiers.ALL if other != tiers.UNIT)
    return [*words, *others, *_workers()]


def has_tests(tier: str) -> bool:
    """Return whether *tier* holds any test."""
    return next(tiers.folder(tier).rglob("test_*.py"), None) is not None


def run(tier: str) -> Outcome:
    """Run *tier*, with what it prints on the screen, and return how it ended."""
    print(f"\n── {tier} ──", flush=True)
    started = time.monotonic()
    if tier == "cluster" and build.missing() and shutil.which("go"):
        print("the control plane's programs are built from source, once:", flush=True)
        build.main([])
    missing = tiers.missing(tier)
    status = _pytest(command(tier))
    return Outcome(tier=tier, status=status, took_s=time.monotonic() - started, missing=missing)


def main(arguments: list[str]) -> int:
    """Run the tiers that *arguments* name (all, when none does); return an exit status."""
    wanted = arguments or ["all"]
    if unknown := set(wanted).difference(tiers.ALL, ("all",)):
        print(f"error: no tier {', '.join(sorted(unknown))}; there are all, {', '.join(tiers.ALL)}", file=sys.stderr)
        return 2
    try:
        tiers.required()
    except tiers.UnknownTierError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    chosen = [tier for tier in tiers.ALL if tier in wanted or ("all" in wanted and has_tests(tier))]
    signal.signal(signal.SIGTERM, _terminate)
    try:
        outcomes = [run(tier) for tier in chosen]
    except KeyboardInterrupt:
        print("\ninterrupted", file=sys.stderr)
        return _INTERRUPTED
    print("\n── summary ──")
    for outcome in outcomes:
        print(f"{outcome.tier:<12} {outcome.took_s:6.1f} s  {outcome.words}")
    return max(outcome.status for outcome in outcomes)


def _workers() -> list[str]:
    """Return the flags that spread unit tests over the cores; they share nothing, so any order will do."""
    cores = os.cpu_count() or 1
    return [f"--numprocesses={min(cores, 8)}"] if cores > 1 else []


def _pytest(words: list[str]) -> int:
    """Run pytest in the foreground and return its exit status; an interrupted one has cleaned up when this raises."""
    child = subprocess.Popen(words)
    try:
        return child.wait()
    except _TerminatedError:
        # Ctrl-C reaches pytest from the terminal; a supervisor told only us.
        child.terminate()
        child.wait()
        raise
    except KeyboardInterrupt:
        child.wait()
        raise


class _TerminatedError(KeyboardInterrupt):
    """SIGTERM arrived."""


def _terminate(*_: object) -> None:
    raise _TerminatedError


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
