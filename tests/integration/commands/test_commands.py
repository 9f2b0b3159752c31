"""The commands of a person's habits, as processes against a cluster with both daemons in it."""

import asyncio
import json
import time

import pytest
import yaml

from autoscaler.decision.schedule import Boost
from autoscaler.resource import boosts
from autoscaler.sandbox import scenery
from tests.integration.commands import terminal
from tests.integration.commands.conftest import KEY, Sandbox

pytestmark = pytest.mark.asyncio(loop_scope="package")


# ── see ──────────────────────────────────────────────────────────────────────────────────────────────────────────────────────


async def test_status_shows_what_there_is_and_ends_with_0_where_all_is_ready(sandbox: Sandbox) -> None:
    await sandbox.until_status(currentReplicas=1, readyReplicas=1)

    table, wide, closely = await asyncio.gather(
        sandbox.leadtime("status"), sandbox.leadtime("status", "-A", "-o", "wide"), sandbox.leadtime("status", KEY)
    )

    assert (table.returncode, table.stderr) == (0, "")
    row = table.stdout.splitlines()[1].split()
    assert row[:2] == [KEY, f"Deployment/{scenery.WORKLOAD}"]
    assert row[3:7] == ["1", "1", "1", "1–6"]
    assert "DATA AGE" in wide.stdout
    assert "the last decision" in closely.stdout
    assert closely.stdout.count("nobody else sets the replicas") == 1  # each condition once


async def test_status_speaks_to_programs_as_kubectl_does(sandbox: Sandbox) -> None:
    one, every, name = await asyncio.gather(
        sandbox.leadtime("status", KEY, "-o", "json"),
        sandbox.leadtime("status", "-n", scenery.WORKLOAD_NAMESPACE, "-o", "yaml"),
        sandbox.leadtime("status", "-o", "name"),
    )

    assert json.loads(one.stdout)["metadata"]["uid"] == (await sandbox.scaler())["metadata"]["uid"]
    assert [item["metadata"]["name"] for item in yaml.safe_load(every.stdout)["items"]] == [scenery.WORKLOAD]
    assert name.stdout == f"inferencescaler.leadtime.dev/{scenery.WORKLOAD}\n"


async def test_top_shows_the_metrics_api(sandbox: Sandbox) -> None:
    table, told = await asyncio.gather(sandbox.leadtime("top"), sandbox.leadtime("top", "-o", "yaml"))

    (facts,) = yaml.safe_load(told.stdout)
    assert (facts["scaler"], facts["replicas"], facts["queue"]) == (KEY, 1, 0.0)
    assert facts["gpuUtilization"] == 0.0
    assert 0.5 < facts["gpuMemoryUsedRatio"] < 1.0  # the model is loaded
    assert facts["gpuHoursToday"] is not None
    assert f"{facts['gpuMemoryUsedRatio']:.0%}".replace("%", " %") in table.stdout


async def test_status_stays_shows_what_changes_and_is_left_by_ctrl_c(sandbox: Sandbox) -> None:
    await sandbox.until_status(currentReplicas=1)
    with terminal.running(["leadtime", "status", "-w", "--every", "0.5"], sandbox.environment()) as screen:
        await asyncio.to_thread(screen.until, KEY)
        seen = len(screen.text)

        boosted = await sandbox.leadtime("boost", KEY, "--for", "30m", "--min", "2")
        await asyncio.to_thread(screen.until, "at least 2 until", since=seen)
        seen = len(screen.text)
        await asyncio.to_thread(screen.until, "Schedule", since=seen)
        screen.press("\x03")
        status = await asyncio.to_thread(screen.ended)

    assert boosted.returncode == 0
    assert status == 0
    # A screen of its own, which is left as it was found: the cursor too.
    assert screen.text.index("\x1b[?1049h") < screen.text.index(KEY) < screen.text.rindex("\x1b[?1049l")
    assert screen.text.rindex("\x1b[?25h") > screen.text.rindex("\x1b[?25l")
    assert "Traceback" not in screen.text


async def test_status_that_stays_where_no_terminal_is_prints_what_differs(sandbox: Sandbox) -> None:
    process = await asyncio.create_subprocess_exec(
        "leadtime", "status", "-w", "--every", "0.3", stdout=asyncio.subprocess.PIPE, env=sandbox.environment()
    )  # fmt: skip
    assert process.stdout is not None
    try:
        async with asyncio.timeout(30):
            first = await process.stdout.readline()
            await sandbox.leadtime("boost", KEY, "--for", "30m", "--min", "2")
            while b"at least 2 until" not in await process.stdout.readline():
                pass
    finally:
        process.terminate()
        await process.wait()

    assert first.startswith(b"SCALER")


async def test_explain_says_why_from_the_status(sandbox: Sandbox) -> None:
    ran, machine = await asyncio.gather(
        sandbox.leadtime("explain", "isc", KEY),
        sandbox.leadtime("explain", "isc", scenery.WORKLOAD, "-n", scenery.WORKLOAD_NAMESPACE, "-o", "json"),
    )

    assert ran.returncode == 0
    assert ran.stdout.startswith(f"{KEY} ")
    assert json.loads(machine.stdout)["scaler"] == KEY


# ── act ──────────────────────────────────────────────────────────────────────────────────────────────────────────────────────


async def test_a_boost_raises_the_number_says_so_in_the_trail_and_can_be_ended(sandbox: Sandbox) -> None:
    begun = await sandbox.leadtime("boost", KEY, "--for", "30m", "--min", "3")
    await sandbox.until_replicas(3)
    status = await sandbox.until_status(
        reason="Schedule", readyReplicas=3
    )  # while pods start, their lack is the reason now and then
    explained = await sandbox.leadtime("explain", "isc", KEY)
    ended = await sandbox.leadtime("boost", KEY, "--end")

    await sandbox.until_replicas(1)
    assert begun.stdout.startswith(f"{KEY}: at least 3 replicas until ")
    assert "boost until" in status["message"]
    assert "without the schedule it would be 1" in explained.stdout
    assert ended.stdout == f"{KEY}: the boost is ended\n"


async def test_a_boost_is_over_at_its_time_though_nobody_is_there(sandbox: Sandbox) -> None:
    ending = boosts.spell(Boost(min_replicas=2, until=time.time() + 8.0))
    await sandbox.change({"metadata": {"annotations": {boosts.ANNOTATION: ending}}})
    await sandbox.until_replicas(2)

    await sandbox.until_replicas(1)
    assert (await sandbox.scaler())["metadata"]["annotations"][boosts.ANNOTATION] == ending
    assert (await sandbox.leadtime("boost", KEY, "--end")).stdout == f"{KEY}: there is no boost in force\n"


async def test_what_is_paused_is_left_alone_until_it_is_resumed(sandbox: Sandbox) -> None:
    paused = await sandbox.leadtime("pause", KEY)
    await sandbox.change({"spec": {"minReplicas": 2}})
    status = await sandbox.until_status(reason="Paused", currentReplicas=1)
    refused = await sandbox.leadtime("boost", KEY, "--for", "30m")
    again = await sandbox.leadtime("pause", KEY)
    resumed = await sandbox.leadtime("resume", KEY)

    await sandbox.until_replicas(2)
    await sandbox.change({"spec": {"minReplicas": 1}})
    assert paused.stdout == f"{KEY} paused; it stays at 1 until `leadtime resume {KEY}`\n"
    assert status["currentReplicas"] == 1
    assert (refused.returncode, "is paused" in refused.stderr) == (1, True)
    assert again.stdout == f"{KEY} is paused already\n"
    assert resumed.stdout == f"{KEY} resumed in mode Auto\n"


async def test_who_was_faster_is_not_written_over(sandbox: Sandbox) -> None:
    await sandbox.leadtime("pause", KEY)
    asked = await asyncio.gather(*(sandbox.leadtime("resume", KEY) for _ in range(3)))

    # One of them resumes it. The others find it resumed, or are told that it is another one by now.
    assert [ran.returncode for ran in asked].count(0) >= 1
    for ran in asked:
        assert ran.stdout in (f"{KEY} resumed in mode Auto\n", f"{KEY} is not paused: its mode is Auto\n", "")
        assert ran.stdout or "409" in ran.stderr
    assert (await sandbox.scaler())["spec"]["mode"] == "Auto"


# ── find what is wrong ───────────────────────────────────────────────────────────────────────────────────────────────────────


async def test_the_doctor_finds_what_a_sandbox_lacks_and_nothing_else(sandbox: Sandbox) -> None:
    await sandbox.until_status(currentReplicas=1)

    text, machine = await asyncio.gather(sandbox.leadtime("doctor"), sandbox.leadtime("doctor", "-o", "json"))

    found = json.loads(machine.stdout)["findings"]
    # The daemons are processes here, and no Deployments; and the sandbox neither tells the time nor knows DaemonSets.
    wrong = {(each["check"], each["about"]) for each in found if each["level"] != "unseen"}
    assert wrong == {
        ("daemon-missing", "Deployment leadtime/leadtime-adapter"),
        ("daemon-missing", "Deployment leadtime/leadtime-autoscaler"),
    }
    assert len([each for each in found if each["level"] == "unseen"]) == 2
    assert text.returncode == machine.returncode == 1
    assert text.stdout.count("fix: ") == len(found)
    assert all(line == line.rstrip() for line in text.stdout.splitlines())


async def test_a_scaler_that_is_not_there_is_one_line(sandbox: Sandbox) -> None:
    ran = await sandbox.leadtime("pause", "llm-inference/nobody")

    assert (ran.returncode, ran.stdout) == (1, "")
    assert ran.stderr.startswith("error: Kubernetes API server: 404:")
    assert len(ran.stderr.splitlines()) == 1
