"""Models are fitted anew, one batch after the other, and what was found goes to the series that it was found for."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np

from autoscaler.anticipate.anticipation import Anticipation
from autoscaler.anticipate.refits import Refits
from autoscaler.refit import RefitError
from autoscaler.resource.scaler import Key
from forecasting.forecast import Spec
from forecasting.models.history import History, Verdict
from forecasting.tuning import Autoregression, Tuning
from tests.autoscaler.anticipate import world
from tests.autoscaler.anticipate.world import SPEC, World

FOUND = Tuning(autoregression=Autoregression(scale=5.0, constant=1.0, lags=(0.5, 0.2)))


@dataclass
class Fitter:
    """Finds `FOUND` for every series, or fails."""

    fails: bool = False
    meanwhile: Callable[[], object] = lambda: None
    asked: list[History] = field(default_factory=list)

    async def refit(self, spec: Spec, histories: Sequence[History]) -> list[Verdict]:
        self.asked += histories
        self.meanwhile()
        if self.fails:
            raise RefitError("the worker was late")
        return [Verdict(tuning=FOUND, why="better") for _ in histories]


@dataclass
class Settled:
    """Two targets that have been seen for ten buckets, and who refits them."""

    here: World
    ours: Anticipation
    refits: Refits

    async def look(self) -> list[Tuning]:
        """Have them refitted if it is their turn, and return what they run with."""
        await self.refits.look(self.ours._register, world.at_once, lambda: self.ours._learner)
        return [one.tuning for one in self.ours._register]


async def settled(fitter: Fitter) -> Settled:
    here = World()
    ours = here.anticipation()
    await here.live(ours, 10, "qwen", "llama")
    return Settled(here, ours, Refits(SPEC, fitter, every_s=3600.0, clock=lambda: here.now))


async def test_what_is_found_is_run_and_known_at_the_next_turn() -> None:
    fitter = Fitter()
    both = await settled(fitter)

    first = await both.look()
    too_soon = len(fitter.asked)
    await both.look()
    both.here.now += 3600.0
    await both.look()

    assert first == [FOUND, FOUND]
    assert too_soon == 2
    assert [(asked.name, asked.tuning) for asked in fitter.asked] == [
        ("llm/llama", Tuning()),
        ("llm/qwen", Tuning()),
        ("llm/llama", FOUND),
        ("llm/qwen", FOUND),
    ]


async def test_a_fit_is_of_the_loads_that_were_seen() -> None:
    fitter = Fitter()
    both = await settled(fitter)

    await both.look()

    (history, _) = fitter.asked
    assert history.slot == world.START // 60
    expected = [world.load(world.START + 60.0 * bucket) for bucket in range(10)]
    assert np.allclose(history.values, expected, rtol=1e-3)  # they are kept in half precision


async def test_a_fit_that_fails_changes_nothing_and_has_had_its_turn() -> None:
    fitter = Fitter(fails=True)
    both = await settled(fitter)

    told = await both.look()
    await both.look()

    assert told == [Tuning(), Tuning()]
    assert len(fitter.asked) == 2


async def test_what_was_found_for_a_series_that_is_gone_goes_to_nobody() -> None:
    fitter = Fitter()
    both = await settled(fitter)
    ours = both.ours

    def meanwhile() -> None:
        ours.forget(Key("llm", "qwen"))
        ours.follow(world.scaler("mistral"))

    fitter.meanwhile = meanwhile

    await both.look()

    assert {one.key.name: one.tuning for one in ours._register} == {"llama": FOUND, "mistral": Tuning()}
