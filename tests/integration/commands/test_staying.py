"""`leadtime status -w` while the cluster cannot be read: the last screen stays, says so, and goes on by itself."""

import asyncio
import os
import sys
from pathlib import Path

import pytest

from tests.autoscaler.cli import apiserver
from tests.integration.commands import terminal

pytestmark = pytest.mark.asyncio(loop_scope="package")

LIST = f"{apiserver.ROOT}/inferencescalers"
WATCH = [sys.executable, "-m", "autoscaler.cli.main", "status", "-w", "--every", "0.2"]


async def test_the_last_screen_stays_while_nothing_can_be_read(tmp_path: Path) -> None:
    with apiserver.serve(tmp_path) as server:
        document = server.scaler(spec={"scaleTargetRef": {"kind": "Deployment", "name": "vllm"}}, status={"reason": "Demand"})
        with terminal.running([*WATCH, f"--kubeconfig={server.kubeconfig}"], os.environ) as screen:
            await asyncio.to_thread(screen.until, "Demand")
            seen = len(screen.text)

            server.refused.add(LIST)
            await asyncio.to_thread(screen.until, "cannot be read now", since=seen)
            await asyncio.to_thread(screen.until, "Demand", since=seen)  # beneath it
            seen = len(screen.text)
            document["status"]["reason"] = "ScaleDownRule"
            server.refused.clear()
            await asyncio.to_thread(screen.until, "ScaleDownRule", since=seen)
            screen.press("\x03")

            assert await asyncio.to_thread(screen.ended) == 0
    assert "Traceback" not in screen.text
