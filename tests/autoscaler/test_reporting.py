"""A status that is refused: written less and less often, said once, and written again when that may help."""

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest
from structlog.testing import capture_logs

from autoscaler.resource.scaler import Key
from tests.autoscaler import town
from tests.autoscaler.town import Town

pytestmark = pytest.mark.looptime(noop_cycles=2)


@dataclass
class Refusing:
    """A town whose API server refuses every status with *status*; None: it takes them."""

    status: int | None
    town: Town = field(default_factory=Town)
    tries_at: list[float] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.town.deploy("qwen", 2)
        self.town.apply(town.scaler())
        self.town.metrics.per_pod = 8.0
        request = self.town.client.request

        async def refusing(method: str, path: str, **more: Any) -> bytes:
            if path.endswith("/status"):
                self.tries_at.append(asyncio.get_running_loop().time())
                if self.status is not None:
                    raise town.refused(self.status)
            return await request(method, path, **more)

        self.town.client.request = refusing  # type: ignore[method-assign]

    def pauses(self) -> list[float]:
        """Return how long it waited from each try to the next."""
        return [after - before for before, after in zip(self.tries_at, self.tries_at[1:], strict=False)]


@pytest.fixture
def warned() -> Iterator[list[Any]]:
    with capture_logs() as said:
        yield said


def written(said: list[Any]) -> list[str]:
    return [entry["error"] for entry in said if entry["event"] == "status not written"]


@pytest.mark.parametrize(("status", "longest_s"), [(422, 300.0), (403, 300.0), (503, 30.0), (429, 30.0), (0, 30.0)])
async def test_it_is_tried_less_and_less_often_and_said_once(status: int, longest_s: float, warned: list[Any]) -> None:
    here = Refusing(status)

    await here.town.steered(1800.0, here.town.controller(tick_s=15.0))

    # 5, 10, 20, … s and at most the longest, each less up to a quarter.
    full = [min(longest_s, 5.0 * 2**number) for number in range(len(here.pauses()))]
    assert len(full) > 6
    assert all(0.75 * most <= pause <= most + 0.2 for pause, most in zip(here.pauses(), full, strict=True))
    assert len(written(warned)) == 1


async def test_news_does_not_hurry_it() -> None:
    here = Refusing(422)

    async def change() -> None:
        for number in range(60):
            here.town.metrics.per_pod = 25.0 if number % 2 else 1.0
            await asyncio.sleep(10.0)

    changing = asyncio.create_task(change())
    await here.town.steered(600.0)
    changing.cancel()

    assert len(here.tries_at) < 10  # 5 + 10 + … + 160 s are 315 s for seven


async def test_another_refusal_is_said_and_a_success_begins_anew(warned: list[Any]) -> None:
    here = Refusing(503)
    loop = asyncio.get_running_loop()

    def now(status: int | None) -> None:
        here.status = status

    loop.call_later(100.0, now, 500)
    loop.call_later(200.0, now, None)
    loop.call_later(400.0, now, 503)
    await here.town.steered(500.0)

    assert [error.split(": ")[1] for error in written(warned)] == ["503", "500", "503"]
    late = [pause for at, pause in zip(here.tries_at, here.pauses(), strict=False) if at > 400.0]
    assert late[0] <= 5.2
    assert here.town.condition("Ready")["status"] == "True"


async def test_an_object_that_is_edited_is_tried_at_once() -> None:
    here = Refusing(422)
    loop = asyncio.get_running_loop()
    seen: list[int] = []

    def edit() -> None:
        here.status = None
        here.town.world.patch(f"{town.SCALERS}/qwen", {"spec": {"maxReplicas": 9}})
        here.town.scalers.on_change(Key(town.NAMESPACE, "qwen"))

    loop.call_later(400.0, edit)
    loop.call_later(404.0, lambda: seen.append(here.town.status().get("observedGeneration", 0)))
    await here.town.steered(405.0)

    assert seen == [2]
