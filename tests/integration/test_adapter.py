"""The adapter as a process, in front of the sandbox cluster, with the shipped manifests and its own service account."""

import asyncio
import json
import re
import ssl
import sys
from typing import Any

import aiohttp
import pytest
import yaml

from adapter.errors import ApiServerError
from autoscaler.sandbox import scenery, stage

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def _eventually(on: stage.Stage, metric: str, *, deadline_s: float = 10.0, **about: str) -> dict[str, Any]:
    """Return the answer for *metric* once it has one for every ready pod."""
    last = ""
    for _ in range(int(deadline_s / 0.1)):
        try:
            answer = await on.read(stage.metric_path(metric, **about))
            if answer["items"]:
                return answer
        except ApiServerError as error:
            last = error.detail
        await asyncio.sleep(0.1)
    raise AssertionError(f"{metric}: {last}")


async def _leadtime(*arguments: str) -> tuple[int, str, str]:
    """Return exit status, output and errors of ``leadtime ARGUMENTS``."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "autoscaler.cli.main", *arguments, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    out, err = await process.communicate()
    assert process.returncode is not None
    return process.returncode, out.decode(), err.decode()


async def test_every_metric_of_the_example_is_served_for_pods_and_for_their_deployment(on: stage.Stage) -> None:
    for metric in (
        "gpu_utilization",
        "DCGM_FI_DEV_GPU_UTIL",
        "inference_queue_size",
        "kv_cache_usage",
        "vllm:num_requests_running",
    ):
        answer = await _eventually(on, metric)
        assert {item["describedObject"]["kind"] for item in answer["items"]} == {"Pod"}
        workload = await _eventually(on, metric, resource="deployments.apps", name=scenery.WORKLOAD)
        assert workload["items"][0]["describedObject"]["kind"] == "Deployment"


async def test_both_versions_say_the_same(on: stage.Stage) -> None:
    new = await _eventually(on, "inference_queue_size")
    old = await on.read(stage.metric_path("inference_queue_size").replace("v1beta2", "v1beta1"))

    assert old["apiVersion"] == "custom.metrics.k8s.io/v1beta1"
    assert [item["metricName"] for item in old["items"]] == ["inference_queue_size"] * len(new["items"])
    assert {item["describedObject"]["name"] for item in old["items"]} == {item["describedObject"]["name"] for item in new["items"]}


async def test_a_reason_reaches_whoever_asks_through_the_api_server(on: stage.Stage) -> None:
    with pytest.raises(
        ApiServerError, match=r"unknown metric: no rule serves gpu_utilisation.*did you mean gpu_utilization"
    ) as caught:
        await on.read(stage.metric_path("gpu_utilisation"))

    assert caught.value.status == 404


async def test_the_external_group_is_nobodys_until_it_is_asked_for(on: stage.Stage) -> None:
    with pytest.raises(ApiServerError) as caught:
        await on.read("/apis/external.metrics.k8s.io/v1beta1/namespaces/default/queue")

    assert caught.value.status == 404


async def test_the_command_line_explains_a_value(on: stage.Stage) -> None:
    await _eventually(on, "gpu_utilization")

    status, out, err = await _leadtime(
        "explain", "metric", "gpu_utilization", f"--namespace={scenery.WORKLOAD_NAMESPACE}", f"--kubeconfig={on.kubeconfig}"
    )

    assert (status, err) == (0, "")
    assert re.search(r"^HPA reads \S+: the mean of \d values$", out, re.MULTILINE)
    assert "rule dcgm/gpu_utilization reads DCGM_FI_DEV_GPU_UTIL" in out


async def test_a_changed_configuration_is_live_in_two_seconds_and_a_bad_one_is_refused(on: stage.Stage) -> None:
    file = on.folder / "adapter.yaml"
    good = yaml.safe_load(file.read_text())
    more = {"metric": "engines_running", "series": "vllm:num_requests_running", "reduce": "sum", "source": "engines"}

    file.write_text(yaml.safe_dump({**good, "rules": [*good["rules"], more]}))
    await _eventually(on, "engines_running", deadline_s=4.0)  # 2 s, and the next collection
    file.write_text("sources: []\nrules: nonsense\n")
    await asyncio.sleep(2.0)

    assert (await on.read(stage.metric_path("engines_running")))["items"]
    log = (on.folder / "adapter.log").read_text()
    refused = [json.loads(line) for line in log.splitlines() if "the last good one stays" in line]
    assert len(refused[-1]["problems"]) >= 2, refused
    file.write_text(yaml.safe_dump(good))


async def test_probes_are_open_and_everything_else_is_not(on: stage.Stage) -> None:
    unverified = ssl.create_default_context()
    unverified.check_hostname, unverified.verify_mode = False, ssl.CERT_NONE
    address = f"https://127.0.0.1:{on.adapter_port}"
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=unverified)) as session:
        async with session.get(f"{address}/readyz?verbose") as ready:
            assert ready.status == 200
            assert "readyz check passed" in await ready.text()
        for path in ("/metrics", "/apis", "/explain/rules", stage.metric_path("gpu_utilization", selector="")):
            async with session.get(address + path) as refused:
                body = await refused.json()
                assert (refused.status, body["kind"], body["code"]) == (401, "Status", 401), path
