"""`leadtime recommend` as a process: what it comes to does not depend on how many processes it takes for that."""

import asyncio
import json
import sys
from collections.abc import Iterator

import pytest

from tests.autoscaler.advice import gpus

pytestmark = pytest.mark.asyncio(loop_scope="package")


def _always(value: float) -> gpus.Curve:
    return lambda _: value


@pytest.fixture
def server() -> Iterator[gpus.Gpus]:
    with gpus.serve() as found:
        for number, replicas in enumerate((8.0, 6.0, 3.0)):
            found.deployments["llm", f"chat-{number}"] = gpus.Deployment(load=_always(1.5), replicas=_always(replicas))
        yield found


async def recommend(server: gpus.Gpus, jobs: int) -> tuple[int | None, bytes, bytes]:
    past = ("--days=0.05", "--run=0.05", "--at=1780000000", "--output=json")
    words = ("-m", "autoscaler.cli.main", "recommend", f"--prometheus={server.url}", f"--jobs={jobs}", *past)
    process = await asyncio.create_subprocess_exec(
        sys.executable, *words, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )  # fmt: skip
    out, err = await asyncio.wait_for(process.communicate(), 120)
    return process.returncode, out, err


async def test_two_processes_come_to_what_one_comes_to(server: gpus.Gpus) -> None:
    alone, together = await recommend(server, 1), await recommend(server, 2)

    assert alone == together
    assert alone[0] == 0
    assert [each["advice"] for each in json.loads(alone[1])] == ["scale"] * 3
