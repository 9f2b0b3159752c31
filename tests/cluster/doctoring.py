"""`leadtime doctor` against a cluster, as its user runs it."""

import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that it says."""

    check: str
    level: str
    about: str
    says: str
    fix: str


@dataclass(frozen=True, slots=True)
class Visit:
    """What it said, and how it ended."""

    status: int
    findings: tuple[Finding, ...]

    @property
    def wrong(self) -> set[str]:
        """Return the checks that found something wrong."""
        return {finding.check for finding in self.findings if finding.level in {"error", "warning"}}

    def of(self, check: str, about: str = "") -> Finding:
        """Return the finding of *check* that is about *about*; fail if there is none."""
        found = next((each for each in self.findings if each.check == check and about in each.about), None)
        assert found is not None, f"no {check} about {about!r} among {self.findings}"
        return found


def visit(kubeconfig: Path, *arguments: str) -> Visit:
    """Run ``leadtime doctor ARGUMENTS`` as the user of *kubeconfig*."""
    command = [sys.executable, "-m", "autoscaler.cli.main", "doctor", f"--kubeconfig={kubeconfig}", "--output=json", *arguments]
    result = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
    assert result.stderr == "", result.stderr
    findings = tuple(Finding(**each) for each in json.loads(result.stdout)["findings"])
    return Visit(result.returncode, findings)
