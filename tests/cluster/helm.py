"""Helm, as its user runs it against a cluster."""

import json
import os
import subprocess
from dataclasses import dataclass
from pathlib import Path

from tests.cluster import access, build
from tests.manifests import reading


class HelmError(AssertionError):
    """helm exited with an error; the message holds the command and what it said."""


@dataclass(frozen=True, slots=True)
class Helm:
    """The administrator's helm, with caches of its own in *folder*."""

    cluster: access.Cluster
    folder: Path

    def __call__(self, *arguments: str | Path) -> str:
        """Return what ``helm ARGUMENTS`` prints; `HelmError` with what it said when it fails."""
        environment = {
            "PATH": os.environ["PATH"],
            "HOME": str(self.folder),
            "KUBECONFIG": str(self.cluster.kubeconfig),
        }
        command = [build.program("helm"), *arguments]
        ran = subprocess.run(command, capture_output=True, text=True, check=False, timeout=180, env=environment)
        if ran.returncode:
            raise HelmError(f"helm {' '.join(map(str, arguments))}: {ran.stderr.strip() or ran.stdout.strip()}")
        return ran.stdout

    def install(self, release: str, *arguments: str, namespace: str, chart: Path = reading.CHART) -> str:
        """Install *chart* as *release* and return what helm tells its user."""
        return self("install", release, chart, f"--namespace={namespace}", "--create-namespace", *arguments)

    def releases(self) -> dict[str, str]:
        """Return what is installed, and in which namespace."""
        return {each["name"]: each["namespace"] for each in json.loads(self("list", "--all-namespaces", "--output=json"))}
