"""Forecasts of targets that come and go, over restarts, with a history or without."""

import math
from dataclasses import replace
from pathlib import Path

import pytest

from autoscaler.anticipate import statefile
from autoscaler.anticipate.anticipation import Anticipation
from autoscaler.anticipate.learner import Learner, Lesson, Told
from autoscaler.decision.model import Forecast
from autoscaler.decision.offered import Offered
from autoscaler.outlook import Outlook
from autoscaler.resource.scaler import Key
from forecasting import state
from tests.autoscaler.anticipate import world
from tests.autoscaler.anticipate.world import SPEC, Past, World

pytestmark = pytest.mark.looptime(noop_cycles=5)
QWEN = Key("llm", "qwen")


def values(told: Forecast | None) -> list[float]:
    assert told is not None
    assert told.pool is not None
    return [told.serving, told.pool]


def days(of: Anticipation) -> list[list[float]]:
    """Return the mean day of all rows."""
    mean: list[list[float]] = state.arrays({"profile": of._learner.gated.engine.parts["profile"]})["profile.mean"].tolist()
    return mean


async def test_a_target_that_has_just_come_has_no_forecast_and_says_that_it_learns() -> None:
    here = World()
    ours = here.anticipation()
    ours.follow(world.scaler())

    assert here.forecast(ours) is None
    assert ours.outlook(QWEN) == Outlook()

    await here.live(ours, 3, "qwen")

    told = ours.outlook(QWEN)
    assert (told.learning, told.evaluations) == (True, 0)
    assert told.why == "it learns: 0 of 200 forecasts have come due"
    assert here.forecast(ours) is not None


async def test_it_forecasts_what_is_seen_at_its_own_lead_and_tells_of_it() -> None:
    here = World()
    ours = here.anticipation()

    await here.live(ours, 30, "qwen")

    forecast, told = here.forecast(ours), ours.outlook(QWEN)
    assert forecast is not None
    # 240 s from the middle of a bucket are 4.5 of them: 5.
    assert forecast.horizon_s == 300.0
    assert not forecast.gate_open
    # The gate has forecasts for 5 buckets: the first of the 30 came due after the sixth.
    assert told.evaluations == 25
    assert [quantile for quantile, _ in told.quantiles] == list(SPEC.quantiles)
    assert dict(told.quantiles)[0.9] == forecast.serving
    # The largest of the last five buckets; the load has been falling, so it is the first of them.
    assert told.realised == pytest.approx(max(world.load(here.now - 60.0 * ago) for ago in range(1, 6)), rel=1e-6)


async def test_a_lead_that_changes_is_taken_up_with_the_next_bucket() -> None:
    here = World()
    ours = here.anticipation()
    await here.live(ours, 10, "qwen")

    before = here.forecast(ours, lead_s=20.0)
    here.now += 60.0
    await ours.close()
    after = here.forecast(ours, lead_s=20.0)

    assert before is not None
    assert after is not None
    assert (before.horizon_s, after.horizon_s) == (300.0, 60.0)


async def test_a_bucket_in_which_nothing_was_known_is_a_gap_and_not_a_zero() -> None:
    here = World()
    ours = here.anticipation()
    await here.live(ours, 20, "qwen")
    before = here.forecast(ours)
    for _ in range(2):
        ours.saw(QWEN, None, now=here.now)
        here.now += 60.0
        await ours.close()

    after = here.forecast(ours)

    assert before is not None
    assert after is not None
    assert after.serving > 0.8 * before.serving


async def test_what_it_said_long_ago_is_not_said_again() -> None:
    here = World()
    ours = here.anticipation()
    await here.live(ours, 10, "qwen")

    here.now += 299.0
    still = here.forecast(ours)
    here.now += 1.0

    assert still is not None
    assert here.forecast(ours) is None
    here.now -= 3600.0  # a clock that was set back
    assert here.forecast(ours) is None


@pytest.mark.parametrize("nonsense", [math.nan, math.inf])
async def test_what_is_no_number_is_no_forecast(nonsense: float) -> None:
    here = World()
    ours = here.anticipation()
    await here.live(ours, 10, "qwen")
    (told,) = ours._told.outlooks
    assert told.forecast is not None
    ours._told = replace(ours._told, outlooks=[replace(told, forecast=replace(told.forecast, serving=nonsense))])

    assert here.forecast(ours) is None


async def test_a_load_that_comes_late_is_counted_and_dropped() -> None:
    here = World()
    ours = here.anticipation()
    await here.live(ours, 10, "qwen")

    ours.saw(QWEN, Offered(1000.0, ("requests",)), now=here.now - 61.0)

    assert b"leadtime_forecast_late_loads_total 1.0" in ours._telemetry.render()


async def test_rows_are_taken_over_without_what_was_learned_in_them() -> None:
    here = World()
    ours = here.anticipation()
    await here.live(ours, 20, "qwen", "llama")
    alone = here.anticipation()
    await here.live(alone, 1, "mistral")
    ours.forget(QWEN)
    here.now -= 60.0

    await here.live(ours, 1, "llama", "mistral")

    assert ours._register.rows == 2
    assert ours.outlook(Key("llm", "mistral")) == alone.outlook(Key("llm", "mistral"))
    assert ours.outlook(QWEN).why == "no forecast is kept of it"
    assert here.forecast(ours, "qwen") is None


async def test_another_target_of_a_signal_is_another_series() -> None:
    here = World()
    ours = here.anticipation()
    await here.live(ours, 20, "qwen")

    ours.follow(world.scaler(target_milli=1_000))

    assert here.forecast(ours) is None
    here.now += 60.0
    await ours.close()
    assert ours.outlook(QWEN).evaluations == 0


async def test_a_scaler_that_was_made_anew_keeps_what_its_days_look_like_and_no_more() -> None:
    here = World()
    ours = here.anticipation()
    await here.live(ours, 70, "qwen")
    known = days(ours)

    ours.follow(world.scaler(uid="2"))
    before = here.forecast(ours)
    here.now += 60.0
    await ours.close()

    assert before is None
    assert ours.outlook(QWEN).evaluations == 0
    assert days(ours) == known


# ── over a restart ───────────────────────────────────────────────────────────────────────────────────────────────────────────


async def test_a_controller_that_is_started_again_forecasts_the_same_from_its_file_within_one_tick(tmp_path: Path) -> None:
    here = World(folder=tmp_path)
    before = here.anticipation()
    await here.live(before, 50, "qwen", "llama")
    await here.running(before, 1.0)
    said = {name: values(here.forecast(before, name)) for name in ("qwen", "llama")}

    after = here.anticipation()
    await after.restore()
    for name in ("qwen", "llama"):
        after.follow(world.scaler(name))

    assert {name: values(here.forecast(after, name)) for name in ("qwen", "llama")} == said
    assert after.outlook(QWEN) == before.outlook(QWEN)
    for one in (before, after):
        await here.live(one, 1, "qwen", "llama")
        here.now -= 60.0
    assert values(here.forecast(after)) == values(here.forecast(before))


async def test_without_its_file_it_forecasts_the_same_from_history(tmp_path: Path) -> None:
    here, alone = World(past=Past(since=world.START)), World()
    before = alone.anticipation()
    await alone.live(before, 100, "qwen")
    here.now = alone.now

    after = here.anticipation()
    after.follow(world.scaler())
    here.forecast(after)
    await here.running(after)

    told, known = after.outlook(QWEN), before.outlook(QWEN)
    assert told.evaluations == known.evaluations == 95
    assert told.ratio == pytest.approx(known.ratio, rel=1e-5)
    assert values(here.forecast(after)) == pytest.approx(values(alone.forecast(before)), rel=1e-5)


async def test_it_asks_for_the_load_that_it_has_exported_or_for_what_the_user_says() -> None:
    here = World(past=Past())
    ours = here.anticipation()
    ours.follow(world.scaler("llama"))
    ours.follow(world.scaler(history_query="sum(rate(requests[1m])) / 8"))

    await here.running(ours)

    assert here.past is not None
    (exported, *span), (own, *_) = here.past.asked
    assert exported == (
        'max(avg_over_time(leadtime_offered_replicas{exported_namespace="llm",scaler="llama"}[60s]))'
        ' or max(avg_over_time(leadtime_offered_replicas{namespace="llm",scaler="llama"}[60s]))'
    )
    assert own == "sum(rate(requests[1m])) / 8"
    assert span == [here.now - 7 * SPEC.day_s, here.now]


async def test_with_its_prometheus_away_it_starts_cold_says_so_and_asks_again() -> None:
    here = World(past=Past(away=True))
    assert here.past is not None
    ours = here.anticipation()
    await here.live(ours, 2, "qwen", "llama")
    await here.running(ours)
    cold = ours.outlook(QWEN)
    asked = len(here.past.asked)

    here.past.away = False
    here.now += 300.0
    await here.live(ours, 1, "qwen", "llama")
    await here.running(ours)

    assert cold.trouble == "source down: http://prometheus: connection refused"
    assert (cold.learning, cold.evaluations) == (True, 0)
    assert asked == 1  # for the first of them: the other would have waited for nothing
    assert ours.outlook(QWEN).trouble == ""
    assert ours.outlook(QWEN).evaluations > 200


async def test_live_loads_are_not_lost_while_history_is_learned() -> None:
    here = World(past=Past())
    ours = here.anticipation()
    await here.live(ours, 1, "qwen")

    asked = Past.series

    async def slow(self: Past, **question: object) -> object:
        answer = await asked(self, **question)  # type: ignore[arg-type]
        await here.live(ours, 2, "qwen", level=2.0)
        return answer

    here.past.series = slow.__get__(here.past)  # type: ignore[union-attr, method-assign]
    await here.running(ours)

    # The live loads were twice those of the history: they are the last that it has taken in.
    recent = ours._learner.gated.gate.realised(ours._register.wants().horizons * 0 + 1)
    assert recent[0] == pytest.approx(2 * world.load(here.now - 60.0), rel=1e-6)
    assert ours.outlook(QWEN).evaluations > 200


async def test_what_was_missed_while_nobody_looked_is_asked_for(tmp_path: Path) -> None:
    here = World(folder=tmp_path)
    before = here.anticipation()
    await here.live(before, 40, "qwen")
    await here.running(before, 1.0)
    here.now += 20 * 60.0
    here.past = Past()
    after = here.anticipation()
    await after.restore()
    after.follow(world.scaler())

    await here.running(after)

    assert [span for _, *span in here.past.asked] == [[here.now - 20 * 60.0, here.now]]
    # 40 live buckets and 20 from history; the first forecast for five buckets came due after the sixth.
    assert after.outlook(QWEN).evaluations == 55


@pytest.mark.parametrize("harm", ["damaged", "old", "of another kind"])
async def test_a_file_that_cannot_be_used_is_told_of_and_it_begins_anew(
    tmp_path: Path, harm: str, capsys: pytest.CaptureFixture[str]
) -> None:
    here = World(folder=tmp_path)
    before = here.anticipation()
    await here.live(before, 5, "qwen")
    await here.running(before, 1.0)
    file = statefile.path(tmp_path)
    if harm == "damaged":
        file.write_bytes(file.read_bytes()[:-7])
    elif harm == "old":
        here.now += 8 * 86_400.0
    after = here.anticipation()
    if harm == "of another kind":
        after = Anticipation(spec=replace(SPEC, horizons=(1, 3)), folder=tmp_path, clock=lambda: here.now, aside=world.at_once)

    await after.restore()
    after.follow(world.scaler())

    assert here.forecast(after) is None
    assert "they begin anew" in capsys.readouterr().out


async def test_a_folder_that_cannot_be_written_troubles_nobody(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    here = World(folder=tmp_path / "gone")
    ours = here.anticipation()
    await here.live(ours, 5, "qwen")

    await here.running(ours, 1.0)

    assert here.forecast(ours) is not None
    assert "forecasts not kept" in capsys.readouterr().out


async def test_who_was_deleted_while_nobody_looked_is_forgotten(tmp_path: Path) -> None:
    here = World(folder=tmp_path)
    before = here.anticipation()
    await here.live(before, 5, "qwen", "llama")
    await here.running(before, 1.0)
    after = here.anticipation()

    await after.restore()
    after.keep([QWEN])

    assert [one.key for one in after._register] == [QWEN]


async def test_a_thread_that_fails_costs_what_was_learned_and_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    here = World()
    ours = here.anticipation()
    await here.live(ours, 10, "qwen")

    def failing(_learner: Learner, _lesson: Lesson) -> Told:
        raise ZeroDivisionError

    with monkeypatch.context() as broken:
        broken.setattr(Learner, "learn", failing)
        with pytest.raises(ZeroDivisionError):
            await here.live(ours, 1, "qwen")
    assert here.forecast(ours) is None
    await here.live(ours, 2, "qwen")

    assert here.forecast(ours) is not None
    assert ours.outlook(QWEN).evaluations == 0


async def test_a_past_that_was_still_wanted_is_wanted_after_a_restart_too(tmp_path: Path) -> None:
    here = World(folder=tmp_path, past=Past(away=True))
    assert here.past is not None
    before = here.anticipation()
    await here.live(before, 5, "qwen")
    await here.running(before)
    here.past.away = False
    after = here.anticipation()

    await after.restore()
    after.follow(world.scaler())
    await here.running(after)

    assert after.outlook(QWEN).evaluations > 200


async def test_who_leads_again_goes_on_from_what_it_knows(tmp_path: Path) -> None:
    here = World(folder=tmp_path)
    ours = here.anticipation()
    await here.live(ours, 10, "qwen")
    await here.running(ours, 1.0)
    here.now += 600.0

    await ours.restore()
    await here.live(ours, 1, "qwen")

    # Five of the ten had come due, and nine buckets went by unseen: what was issued for these is never judged.
    assert ours.outlook(QWEN).evaluations == 5
    assert here.forecast(ours) is not None
