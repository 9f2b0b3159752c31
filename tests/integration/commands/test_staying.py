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


async def test_a_fleet_larger_than_the_terminal_ends_with_how_many_more_there_are(tmp_path: Path) -> None:
    with apiserver.serve(tmp_path) as server:
        for number in range(80):
            ready = {"type": "Ready", "status": "False" if number == 79 else "True", "message": "its target is gone"}
            server.scaler(name=f"s{number:02}", spec=apiserver.SPEC, status={**apiserver.STATUS, "conditions": [ready]})
        command = [*WATCH, f"--kubeconfig={server.kubeconfig}"]
        with terminal.running(command, os.environ, columns=80, rows=24) as screen:
            # 24 lines: a complaint, a blank, the headings, 20 scalers and this.
            await asyncio.to_thread(screen.until, "… and 60 more: -n NAMESPACE narrows it")
            shown = screen.text
            screen.press("\x03")

            assert await asyncio.to_thread(screen.ended) == 0
    assert (
        shown.index("llm/s79: Ready: its target is gone") < shown.index("SCALER") < shown.rindex("llm/s79") < shown.index("llm/s00")
    )


async def test_a_table_that_is_wider_than_the_terminal_keeps_its_names_whole(tmp_path: Path) -> None:
    name, target = "qwen-2-5-" + "x" * 50, "vllm-" + "y" * 54  # 59 characters each
    with apiserver.serve(tmp_path) as server:
        spec = {**apiserver.SPEC, "scaleTargetRef": {"kind": "Deployment", "name": target}}
        server.scaler(name=name, spec=spec, status=apiserver.STATUS)
        command = [sys.executable, "-m", "autoscaler.cli.main", "status", f"--kubeconfig={server.kubeconfig}"]
        with terminal.running(command, os.environ, columns=80, rows=24) as screen:
            assert await asyncio.to_thread(screen.ended) == 0

    assert f"llm/{name}" in screen.text
    assert f"Deployment/{target}" in screen.text
    assert screen.text.count("\n") == 2  # the headings and the row, which the terminal wraps
