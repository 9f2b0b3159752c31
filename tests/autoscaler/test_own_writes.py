"""What we have written ourselves is nobody else's, however late the watch shows it, and whoever led then."""

import asyncio
import dataclasses

import pytest

from autoscaler import steering
from autoscaler.resource.scaler import TargetRef
from autoscaler.seen import TargetSeen, Writer
from tests.autoscaler import town
from tests.autoscaler.town import Town

pytestmark = pytest.mark.looptime(noop_cycles=2)

ONE_WRITE = {"maxReplicas": 5}


class Lagging:
    """A watch on the target that stands still when it is told to; *manager* is who wrote the replicas that it shows."""

    def __init__(self, here: Town, manager: str = "") -> None:
        self.manager = manager
        self.shown: TargetSeen | None = None
        self._live = here.targets_seen.known
        here.targets_seen.known = self.known  # type: ignore[method-assign]

    def known(self, namespace: str, ref: TargetRef) -> TargetSeen | None:
        found = self.shown or self._live(namespace, ref)
        if found is None or not self.manager:
            return found
        return dataclasses.replace(found, writer=Writer(manager=self.manager))

    def stop(self) -> None:
        self.shown = self._live(town.NAMESPACE, TargetRef("apps/v1", "Deployment", "qwen"))

    def go_on(self) -> None:
        self.shown = None


def growing(**spec: object) -> tuple[Town, Lagging]:
    """Return a target with five replicas' worth of work, and its watch, which stands still at another version of two of them."""
    here = Town()
    here.deploy("qwen", 2)
    here.apply(town.scaler(**spec))
    here.metrics.per_pod = 25.0
    watch = Lagging(here)
    request = here.client.request

    async def meanwhile(method: str, path: str, **more: object) -> bytes:
        if method != "GET" and "configmaps" in path and watch.shown is None and here.replicas() == 2:
            # Its status is written while the memory is; the new version is the last that the watch shows.
            here.world.patch(f"{town.DEPLOYMENTS}/qwen", {"metadata": {"annotations": {"as-good-as": "status"}}})
            watch.stop()
        return await request(method, path, **more)  # type: ignore[arg-type]

    here.client.request = meanwhile  # type: ignore[method-assign]
    return here, watch


def live(here: Town) -> int:
    found: int = here.world.get(f"{town.DEPLOYMENTS}/qwen")["spec"]["replicas"]
    return found


async def conflicts(here: Town, seconds: float) -> list[str]:
    """Have *here* steered, and return what the condition said, second after second."""
    said: list[str] = []

    async def look() -> None:
        while True:
            await asyncio.sleep(1.0)
            if here.status().get("conditions"):
                said.append(here.condition("Conflict")["status"])

    looking = asyncio.create_task(look())
    await here.steered(seconds)
    looking.cancel()
    await asyncio.gather(looking, return_exceptions=True)
    return said


async def test_a_status_that_was_written_while_we_wrote_makes_nobody_else_of_us() -> None:
    here, watch = growing()
    asyncio.get_running_loop().call_later(15.0, watch.go_on)

    said = await conflicts(here, 40.0)

    # 2 × 25 ÷ 10, and then as many as are allowed, beneath a watch that shows two of another version.
    assert live(here) == 10
    assert set(said) == {"False"}


async def test_what_a_watch_shows_after_half_a_minute_stands() -> None:
    here, _ = growing(**ONE_WRITE)

    said = await conflicts(here, 60.0)

    assert live(here) == 5
    assert set(said[:25]) == {"False"}
    assert "True" in said[25:]


@pytest.mark.parametrize("replicas", [7, 2], ids=["to another number", "back"])
async def test_somebody_who_is_quicker_than_the_watch_is_named_with_the_first_look_at_it(replicas: int) -> None:
    here, watch = growing(**ONE_WRITE)
    loop = asyncio.get_running_loop()
    loop.call_later(8.0, here.world.patch, f"{town.DEPLOYMENTS}/qwen", {"spec": {"replicas": replicas}})
    loop.call_later(10.0, watch.go_on)  # what we wrote was never shown

    said = await conflicts(here, 22.0)

    assert live(here) == replicas
    assert (said[8], said[-1]) == ("False", "True")


@pytest.mark.parametrize(("manager", "yields"), [("leadtime", False), ("kubectl", True)])
async def test_who_takes_over_on_a_watch_that_lags_knows_our_writes_by_their_manager(manager: str, yields: bool) -> None:
    here, watch = growing(**ONE_WRITE)
    await here.steered(10.0)
    watch.manager = manager
    here.metrics.per_pod = None  # nothing is asked for: what is there stays
    asyncio.get_running_loop().call_later(20.0, watch.go_on)

    said = await conflicts(here, 60.0)

    assert live(here) == 5
    assert ("True" in said) is yields


async def test_another_leadtime_on_the_same_target_is_named_and_yielded_to() -> None:
    here = Town()
    here.deploy("qwen", 5)
    here.apply(town.scaler(**ONE_WRITE))
    here.metrics.per_pod = None  # nothing is asked for: what is there stays
    Lagging(here, "leadtime")
    asyncio.get_running_loop().call_later(40.0, here.world.patch, f"{town.DEPLOYMENTS}/qwen", {"spec": {"replicas": 2}})

    said = await conflicts(here, 60.0)

    assert "another leadtime" in here.condition("Conflict")["message"]
    assert (said[30], said[-1], live(here)) == ("False", "True", 2)


@pytest.mark.parametrize(
    ("version", "replicas", "shown"),
    [("9", 2, False), ("10", 5, True), ("11", 2, True), ("9", 5, False), ("b", 2, False), ("a", 2, True), ("b", 5, True)],
)
def test_a_watch_has_come_as_far_as_we_by_its_version_and_where_those_are_no_numbers_by_the_replicas(
    version: str, replicas: int, shown: bool
) -> None:
    written = steering.Written(replicas=5, version="10" if version.isdecimal() else "a", until=0.0)
    ref = TargetRef("apps/v1", "Deployment", "qwen")
    target = TargetSeen(namespace="llm", ref=ref, resource_version=version, replicas=replicas, path="", template_labels={})

    assert written.shown(target) is shown
