"""Forecasts that are made when somebody wants one: until then nothing is loaded, and from then on they are as any."""

import asyncio
from pathlib import Path

import pytest

from autoscaler.anticipate.anticipation import Anticipation
from autoscaler.anticipate.ondemand import Forecasts, OnDemand
from autoscaler.decision.offered import Offered
from autoscaler.outlook import Outlook
from autoscaler.resource.scaler import Key
from tests.autoscaler.anticipate import world
from tests.autoscaler.anticipate.world import World

pytestmark = pytest.mark.looptime(noop_cycles=5)
QWEN = Key("llm", "qwen")
LOADING_S = 1.0


class Made:
    """What makes an anticipation of *here*, as slowly as loading takes, and counts."""

    def __init__(self, here: World, *, failures: int = 0) -> None:
        self.here = here
        self.failures = failures
        self.all: list[Anticipation] = []

    async def __call__(self) -> Forecasts:
        await asyncio.sleep(LOADING_S)
        if self.failures:
            self.failures -= 1
            raise ImportError("no numpy today")
        self.all.append(self.here.anticipation())
        return self.all[-1]


async def test_without_a_target_to_forecast_nothing_is_made_however_long_it_runs() -> None:
    made = Made(World())
    ours = OnDemand(made)

    await ours.restore()
    running = asyncio.create_task(ours.run())
    await asyncio.sleep(86_400.0)
    running.cancel()

    assert made.all == []
    assert ours.outlook(QWEN) == Outlook()
    assert ours.forecast(QWEN, lead_s=60.0, quantile=0.9, pool_quantile=0.5, now=world.START) is None


async def test_what_is_followed_before_they_are_made_is_followed_once_they_are() -> None:
    here = World()
    made = Made(here)
    ours = OnDemand(made)
    running = asyncio.create_task(ours.run())

    ours.follow(world.scaler("qwen"))
    ours.follow(world.scaler("llama"))
    ours.forget(Key("llm", "llama"))
    ours.saw(QWEN, Offered(3.0, ("requests",)), now=here.now)  # nobody is there yet to take it in
    assert ours.outlook(QWEN) == Outlook()
    await asyncio.sleep(2 * LOADING_S)
    running.cancel()

    (found,) = made.all
    assert found.outlook(QWEN) == ours.outlook(QWEN) == Outlook()
    assert found.outlook(Key("llm", "llama")).why == "no forecast is kept of it"


async def test_from_then_on_they_are_as_any() -> None:
    here = World()
    made = Made(here)
    ours = OnDemand(made)
    ours.follow(world.scaler())
    running = asyncio.create_task(ours.run())
    await asyncio.sleep(2 * LOADING_S)
    running.cancel()
    (found,) = made.all

    for _ in range(30):
        ours.follow(world.scaler())
        ours.saw(QWEN, Offered(world.load(here.now), ("requests",)), now=here.now)
        ours.forecast(QWEN, lead_s=240.0, quantile=0.9, pool_quantile=0.97, now=here.now)  # as a decision wants it
        here.now += world.SPEC.step_s
        await found.close()

    assert here.forecast(found) is not None
    assert here.forecast(found) == ours.forecast(QWEN, lead_s=240.0, quantile=0.9, pool_quantile=0.97, now=here.now)
    assert ours.outlook(QWEN) == found.outlook(QWEN)
    ours.keep([])
    assert ours.outlook(QWEN).why == "no forecast is kept of it"


async def test_what_was_kept_is_restored_without_being_asked_for(tmp_path: Path) -> None:
    here = World(folder=tmp_path)
    saved = here.anticipation()
    await here.live(saved, 30, "qwen")
    await here.running(saved)  # which ends by writing down what was learned
    made = Made(here)
    ours = OnDemand(made, kept=tmp_path / "forecasts.state")

    await ours.restore()

    assert len(made.all) == 1
    assert ours.outlook(QWEN) == saved.outlook(QWEN)
    await ours.restore()  # as who leads again does
    assert len(made.all) == 1


async def test_where_they_cannot_be_made_the_next_run_tries_again() -> None:
    made = Made(World(), failures=1)
    ours = OnDemand(made)
    ours.follow(world.scaler())

    with pytest.raises(ImportError):
        await ours.run()
    running = asyncio.create_task(ours.run())
    await asyncio.sleep(2 * LOADING_S)
    running.cancel()

    assert made.all[0].outlook(QWEN) == Outlook()
