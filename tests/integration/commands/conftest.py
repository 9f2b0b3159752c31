"""The sandbox with everything that runs in a cluster, for commands to look at and to change, as their users run them."""

import asyncio
import os
import subprocess
import sys
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from autoscaler.cluster.requests import MERGE_PATCH
from autoscaler.resource.scaler import API_VERSION
from autoscaler.sandbox import scenario, scenery, stage
from tests.cluster import waiting

KEY = f"{scenery.WORKLOAD_NAMESPACE}/{scenery.WORKLOAD}"
PATH = f"/apis/{API_VERSION}/namespaces/{scenery.WORKLOAD_NAMESPACE}/inferencescalers/{scenery.WORKLOAD}"
DEPLOYMENT = f"/apis/apps/v1/namespaces/{scenery.WORKLOAD_NAMESPACE}/deployments/{scenery.WORKLOAD}"
WAIT_S = 40.0


@dataclass(frozen=True, slots=True)
class Sandbox:
    """What runs, and a person at a shell beside it."""

    on: stage.Stage
    bin: Path
    """Where the programs are as a package manager would have put them."""

    def environment(self, **more: str) -> dict[str, str]:
        """Return the person's environment."""
        path = f"{self.bin}{os.pathsep}{os.environ['PATH']}"
        return {**os.environ, "PATH": path, "KUBECONFIG": str(self.on.kubeconfig), "COLUMNS": "300", "NO_COLOR": "1", **more}

    async def run(self, *words: str, **more: str) -> subprocess.CompletedProcess[str]:
        """Run a command to its end."""
        return await asyncio.to_thread(
            subprocess.run, words, capture_output=True, text=True, check=False, timeout=120, env=self.environment(**more)
        )

    async def leadtime(self, *words: str) -> subprocess.CompletedProcess[str]:
        """Run ``leadtime WORDS``."""
        return await self.run("leadtime", *words)

    async def scaler(self) -> dict[str, Any]:
        """Return the one scaler that there is."""
        return await self.on.read(PATH)

    async def until_replicas(self, count: int) -> None:
        """Wait until the target is asked to have *count* replicas."""

        async def there() -> bool:
            assert (await self.on.read(DEPLOYMENT))["spec"]["replicas"] == count
            return True

        await waiting.eventually(there, what=f"{KEY} has {count} replicas", deadline_s=WAIT_S)

    async def until_status(self, **expected: Any) -> dict[str, Any]:
        """Wait until the scaler's status has these members, and return it."""
        found: dict[str, Any] = {}

        async def there() -> bool:
            found.update((await self.scaler()).get("status") or {})
            assert {name: found.get(name) for name in expected} == expected
            return True

        await waiting.eventually(there, what=f"the status of {KEY} has {expected}", deadline_s=WAIT_S)
        return found

    async def change(self, patch: Mapping[str, Any]) -> None:
        """Merge *patch* into the scaler by hand."""
        await self.on.kube.request("PATCH", PATH, body=dict(patch), content_type=MERGE_PATCH, query={"fieldManager": "somebody"})


def _scaler() -> dict[str, Any]:
    """Return one that rests at a single pod while there is no load, and does at once whatever it is told."""
    document = scenario.scaler()
    at_once = {"stabilizationWindowSeconds": 0, "policies": [{"type": "Pods", "value": 10, "periodSeconds": 1}]}
    document["spec"] |= {
        "minReplicas": 1,
        "maxReplicas": 6,
        "behavior": {"scaleUp": at_once, "scaleDown": at_once},
        "scaleDown": {"rule": "Target", "cooldownSeconds": 0},
        "forecast": {"mode": "Off"},
        "warmPool": {"max": 0},
    }
    del document["spec"]["idle"]
    return document


@pytest_asyncio.fixture(scope="package", loop_scope="package")
async def stage_set(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Sandbox]:
    """Yield a sandbox whose target is at rest."""
    folder, programs = tmp_path_factory.mktemp("stage"), tmp_path_factory.mktemp("bin")
    for name, call in (
        ("leadtime", "from autoscaler.cli.main import run; run()"),
        ("kubectl-leadtime", "from autoscaler.cli.main import plugin; plugin()"),
        ("kubectl_complete-leadtime", "from autoscaler.cli.completion import of_plugin; of_plugin()"),
    ):
        script = programs / name
        script.write_text(f'#!/bin/sh\nexec {sys.executable} -c "{call}" "$@"\n')
        script.chmod(0o755)
    loop = stage.Loop(scaler=_scaler(), prices=scenery.manifests() / "examples" / "prices.yaml")
    async with stage.serve(folder, startup_s=1.0, loop=loop) as on:
        yield Sandbox(on, programs)


@pytest_asyncio.fixture(loop_scope="package")
async def sandbox(stage_set: Sandbox) -> AsyncIterator[Sandbox]:
    """Yield it at rest, and bring it back to that whatever a test has done."""
    await stage_set.until_replicas(1)
    await stage_set.until_status(currentReplicas=1, readyReplicas=1)  # what is decided is told a moment later
    yield stage_set
    annotations = dict.fromkeys((await stage_set.scaler())["metadata"].get("annotations") or {})
    await stage_set.change({"metadata": {"annotations": annotations}, "spec": {"mode": "Auto"}})
