"""An API server that refuses, breaks or says nothing for a while: nothing is lowered, and afterwards all goes on by itself.

The five minutes of a real outage are seconds here, but for the silence: it outlasts the lease.
"""

import asyncio

import pytest

from tests.integration.autoscaler.front import Trouble
from tests.integration.autoscaler.provider import each
from tests.integration.autoscaler.world import Target, World

pytestmark = pytest.mark.asyncio(loop_scope="package")

OUTAGE_S = 1.5
#: A leader that cannot renew its lease stops after 10 s.
SILENCE_S = 12.0


async def _steered(running: World, *, replicas: int) -> Target:
    """Return a target that rests, and of which no more than five replicas may be asked for."""
    target = await running.target(replicas=replicas)
    target.says(each("9"))  # nine of ten: as many as are needed
    await target.apply(maxReplicas=5)
    await target.until("SignalsFresh", "AllFresh")
    return target


@pytest.mark.parametrize("trouble", [Trouble.CONFLICT, Trouble.TOO_MANY, Trouble.BROKEN])
async def test_refusals_are_told_lower_nothing_and_what_is_due_is_done_once_when_they_end(running: World, trouble: Trouble) -> None:
    rests, grows = await asyncio.gather(_steered(running, replicas=4), _steered(running, replicas=2))
    began = len(running.front.asked)

    async with running.front.in_trouble(trouble, only="/scale"):
        grows.says(each("25"))
        said = await grows.until("Ready", "ApiServerUnavailable")
        warned = await grows.warned("ApiServerUnavailable")
        running.front.spread()
        await asyncio.sleep(OUTAGE_S)
    refused = {asked.path for asked in running.front.asked[began:] if asked.status == trouble.value}
    tries = len(grows.scaled())
    await grows.until_replicas(5, deadline_s=20.0)
    await grows.until("Ready", "Ready")
    await rests.decided()

    assert said["status"] == "Unknown"
    assert "in trouble" in warned
    assert len(refused) > 1
    # At once, after a second, and two seconds after that, with a second look where it is a conflict: decisions were many more.
    assert 1 <= tries <= 6
    # 2 pods × 25 waiting ÷ 10.
    assert (await rests.replicas(), rests.scaled()) == (4, [])
    assert (set(grows.scaled()), grows.scaled(done=True)) == ({5}, [5])
    for target in (rests, grows):
        assert (await target.conditions())["Conflict"]["status"] == "False"


async def test_a_silence_that_outlasts_the_lease_lowers_nothing_and_a_write_whose_answer_it_swallowed_is_made_once(
    running: World,
) -> None:
    rests, grows, waits = await asyncio.gather(
        _steered(running, replicas=4), _steered(running, replicas=2), _steered(running, replicas=2)
    )

    async with running.front.in_trouble(Trouble.SILENT, only="/scale"):
        grows.says(each("25"))
        await grows.until_replicas(5)  # done, and nobody says so
        running.front.spread()
        waits.says(each("25"))
        await asyncio.sleep(SILENCE_S)
        during = [await target.replicas() for target in (rests, grows, waits)]
    await running.led()
    await waits.until_replicas(5, deadline_s=20.0)
    await asyncio.gather(rests.decided(), grows.decided())

    assert during == [4, 5, 2]
    assert any(running.daemon.said("lease lost: not renewed in time"))
    assert (rests.scaled(), grows.scaled(done=True), waits.scaled(done=True)) == ([], [5], [5])
    for target in (rests, grows, waits):
        conditions = await target.conditions()
        assert conditions["Ready"]["reason"] == "Ready"
        # What it did itself it does not take for somebody else's doing.
        assert conditions["Conflict"]["status"] == "False", conditions["Conflict"]
