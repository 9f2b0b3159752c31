"""A whole backtest on a few hours of load: the runs it takes, what is compared with what, and that it can be repeated."""

import dataclasses
from collections.abc import Callable, Sequence

import numpy as np
import pytest

from autoscaler.resource.scaler import Scaler
from autoscaler.simulation.backtest import conduct, replica, runs, suggest, whatif
from autoscaler.simulation.backtest.conduct import Question, Result
from autoscaler.simulation.outcome import Outcome
from autoscaler.simulation.workload import Rates
from autoscaler.simulation.world import Startup
from tests.autoscaler.simulation.backtest import scalers
from tests.autoscaler.simulation.backtest.test_figures import outcome

STEP_S = 60
#: A quarter of an hour of one replica's worth, then four.
LOAD = np.repeat([1.0, 4.0], 15)
MIXED = (scalers.metric("DCGM_FI_DEV_GPU_UTIL", "70"), scalers.metric("inference_queue_size", "10"))


def question(*settings: str, really: list[float] | None = None, **spec: object) -> Question:
    document = scalers.document(*MIXED, **{"forecast": {"mode": "Off"}, **spec})
    changes = tuple(map(whatif.parse, settings))
    return Question(
        document=document,
        scaler=scalers.read(document),
        replica=replica.model(scalers.read(document)),
        read=scalers.read,
        settings=changes,
        other=scalers.read(whatif.applied(document, changes)) if changes else None,
        really=None if really is None else runs.Replicas(step_s=STEP_S, counts=np.array(really)),
        price=False,
        suggest=False,
        plan=False,
        seeds=1,
    )


def ground(asked: Question) -> runs.Ground:
    rates = Rates("load", STEP_S, LOAD * asked.replica.requests_per_s)
    return conduct.ground(asked, rates, startup=Startup(p50_s=45.0, p90_s=60.0))


def conducted(asked: Question) -> Result:
    with runs.Runner(ground(asked)) as runner:
        return conduct.conduct(asked, runner, len(LOAD) * STEP_S)


class Scripted:
    """Runs that come to GPU-hours and missed requests as told."""

    def __init__(self, come: Callable[[runs.Trial], tuple[float, float]]) -> None:
        self._come = come

    def run(self, trials: Sequence[runs.Trial]) -> list[Outcome]:
        """Return what each trial comes to."""
        return [outcome(*self._come(trial), seed=trial.seed) for trial in trials]


def test_the_scaler_follows_its_load() -> None:
    result = conducted(question())

    timeline = result.base.timeline
    assert timeline is not None
    assert timeline.wanted[13] == 1
    assert timeline.wanted[-1] >= 4
    # They come by chance, 900 s of 10 a second and 900 s of 40.
    assert result.base.figures.requests == pytest.approx(900 * 10 * (1 + 4), rel=0.02)
    assert result.base.figures.late > 0  # three replicas' worth come at once, and replicas take a minute


def test_another_value_is_run_beside_the_base() -> None:
    result = conducted(question("minReplicas=4"))

    assert result.other is not None
    assert result.otherwise is not None
    assert result.other.figures.missed == pytest.approx(0.0, abs=1e-6)
    assert result.otherwise.gpu_hours > 0
    assert result.otherwise.worse
    assert not result.otherwise.better


def test_replicas_as_they_were_are_replayed_and_gaps_hold_the_last_count() -> None:
    counts = [5.0] * 5 + [float("nan")] * 10 + [2.0] * 15

    result = conducted(question(really=counts))

    assert result.really is not None
    assert result.really.timeline is not None
    np.testing.assert_array_equal(result.really.timeline.wanted[2:14], 5)
    np.testing.assert_array_equal(result.really.timeline.wanted[16:], 2)
    assert result.over_really is not None


def test_each_guard_in_force_is_left_out_in_turn_and_compared_with_the_base() -> None:
    asked = dataclasses.replace(question(), price=True, seeds=2)

    def come(trial: runs.Trial) -> tuple[float, float]:
        # Without its cool-down it takes an hour less, and misses seven requests more.
        hasty = isinstance(trial.what, Scaler) and trial.what.policy.scale_down.cooldown_s == 0
        return (9.0, 107.0) if hasty else (10.0, 100.0)

    prices = {price.guard.name: price for price in conduct.conduct(asked, Scripted(come), 3600.0).prices}

    assert "forecast" not in prices
    assert (prices["cool-down"].without.gpu_hours, prices["cool-down"].without.missed) == (pytest.approx(-1.0), pytest.approx(7.0))
    assert prices["up-window"].without.gpu_hours == 0.0
    assert asked.trials == 2 * (1 + len(prices))


def test_the_clairvoyant_costs_less_and_that_is_the_regret() -> None:
    result = conducted(dataclasses.replace(question(), plan=True))

    assert result.clairvoyant is not None
    assert result.clairvoyant.figures.missed <= result.base.figures.missed
    assert result.regret_ratio is not None
    assert result.regret_ratio > 0


def test_only_what_is_better_with_every_seed_is_suggested_the_cheapest_first() -> None:
    asked = dataclasses.replace(question(), suggest=True, seeds=2)

    def come(trial: runs.Trial) -> tuple[float, float]:
        assert isinstance(trial.what, Scaler)
        policy = trial.what.policy
        if policy.min_replicas == 2:
            return 10.0, 20.0
        if policy.scale_down.cooldown_s == 150.0:
            return 9.0, 100.0
        if policy.warm_pool.max == 1:
            return 10.0, 20.0 if trial.seed == 0 else 300.0  # the first seed was lucky
        return 10.0, 100.0

    result = conduct.conduct(asked, Scripted(come), 3600.0)

    assert [str(one.setting) for one in result.suggestions] == ["scaleDown.cooldownSeconds=150", "minReplicas=2"]
    assert result.suggestions[0].difference.gpu_ratio == pytest.approx(-0.1)
    assert result.suggestions[1].difference.missed == pytest.approx(-80.0)


def test_what_the_object_may_not_say_is_not_tried() -> None:
    asked = question(maxReplicas=2, warmPool={"max": 1})

    tried = [str(setting) for setting, _ in suggest.tried(asked.document, asked.scaler.policy, scalers.read)]

    assert "warmPool.max=0" in tried
    assert "warmPool.max=2" not in tried  # of maxReplicas 2 it leaves no replica to serve
    assert "minReplicas=0" not in tried


def test_requests_are_counted_as_the_user_counts_them_whatever_is_simulated() -> None:
    # Two per second are simulated as five pieces each.
    document = scalers.document(*MIXED, forecast={"mode": "Off"})
    model = replica.model(scalers.read(document), per_replica_s=2.0)
    asked = dataclasses.replace(question(), replica=model)
    rates = Rates("load", STEP_S, LOAD * 2.0)
    with runs.Runner(conduct.ground(asked, rates, startup=Startup())) as runner:
        result = conduct.conduct(asked, runner, rates.duration_s)

    assert model.pieces == 5
    assert result.base.figures.requests == pytest.approx(900 * 2 * (1 + 4), rel=0.03)
    assert result.base.timeline is not None
    assert result.base.timeline.load_per_s[20:].mean() == pytest.approx(8.0, rel=0.05)


def test_the_same_question_has_the_same_answer_in_any_process() -> None:
    asked = question()
    trials = [runs.Trial(what=asked.replica.scaler, seed=seed) for seed in (0, 1)]

    def outcomes(workers: int) -> list[Outcome]:
        with runs.Runner(ground(asked), workers=workers) as runner:
            return runner.run(trials)

    assert outcomes(1) == outcomes(2)
