"""The model of a replica: at one replica's worth of load each signal that is simulated stands at its target."""

from typing import Any

import pytest

from autoscaler.decision.model import Mode
from autoscaler.simulation.backtest import history, replica
from autoscaler.simulation.workload import Rates
from autoscaler.simulation.world import Classic, Llm
from tests.autoscaler.simulation.backtest import scalers

UTIL = scalers.metric("DCGM_FI_DEV_GPU_UTIL", "70")
QUEUE = scalers.metric("inference_queue_size", "10")
RATE = scalers.metric("inference_request_rate", "4", "Object")


def modelled(*metrics: dict[str, Any], per_replica_s: float | None = None, **spec: Any) -> replica.Replica:
    return replica.model(scalers.read(scalers.document(*metrics, **spec)), per_replica_s=per_replica_s)


@pytest.mark.parametrize("per_replica_s", [10.0, 25.0, 400.0])
def test_a_replicas_worth_keeps_the_gpu_as_busy_as_the_target_says(per_replica_s: float) -> None:
    found = modelled(UTIL, QUEUE, per_replica_s=per_replica_s)

    assert isinstance(found.engine, Classic)
    assert (found.pieces, found.requests_per_s) == (1, per_replica_s)
    # Utilisation is arrivals × service time, which for a batch is that of its requests one by one.
    assert found.engine.batch_s == 0.0
    assert per_replica_s * found.engine.item_s == pytest.approx(0.7)


def test_of_two_utilisations_the_one_that_reaches_its_target_first_is_simulated() -> None:
    found = modelled(UTIL, scalers.metric("gpu_utilization", "500m"))

    assert [signal.name for signal in found.scaler.policy.signals] == ["gpu_utilization"]
    assert len(found.scaler.queries) == 1
    assert isinstance(found.engine, Classic)
    assert found.engine.item_s == pytest.approx(0.05)  # 0.5 ÷ 10 per second
    assert any("left out: DCGM_FI_DEV_GPU_UTIL: gpu_utilization reaches its target first" in note for note in found.notes)


def test_a_rate_says_how_many_requests_a_replicas_worth_is() -> None:
    found = modelled(UTIL, RATE)

    assert found.requests_per_s == 4.0
    assert not any("--per-replica" in note for note in found.notes)


def test_without_a_rate_the_assumption_is_said() -> None:
    found = modelled(UTIL)

    assert found.requests_per_s == replica.ASSUMED_PER_S
    assert "a replica's worth is counted as 10 requests per second: --per-replica says otherwise" in found.notes


def test_few_large_requests_are_simulated_as_many_small_ones() -> None:
    # 4 per second are 12 pieces at 3 each: counts and their targets grow, the GPU's load does not.
    found = modelled(UTIL, QUEUE, RATE)

    assert found.pieces == 3
    assert isinstance(found.engine, Classic)
    assert found.engine.item_s == pytest.approx(0.7 / 12)
    assert [signal.target_milli for signal in found.scaler.policy.signals] == [70_000, 30_000, 12_000]
    rates = found.workload(Rates("load", 60, [4.0, 8.0], past=[2.0], start_s=600))
    assert (rates.per_s.tolist(), rates.past.tolist(), rates.start_s) == ([12.0, 24.0], [6.0], 600)


def test_requests_in_flight_and_the_cache_stand_at_their_targets() -> None:
    found = modelled(
        scalers.metric("vllm:num_requests_running", "32"), scalers.metric("vllm:kv_cache_usage_perc", "800m"), per_replica_s=20.0
    )

    assert isinstance(found.engine, Llm)
    # The step of the prompt gives the first of 4 × 32 tokens; Little: in flight = rate × time.
    assert found.answer_tokens == 128
    assert 20.0 * 128 * found.engine.step_s == pytest.approx(32.0)
    assert 32 * (500 + 128) / found.engine.kv_tokens == pytest.approx(0.8, rel=1e-3)
    assert found.engine.max_sequences > 32


def test_it_acts_whatever_the_mode_is() -> None:
    assert modelled(UTIL, mode="Recommend").scaler.policy.mode is Mode.AUTO


def test_what_cannot_be_simulated_is_named_and_left_out() -> None:
    found = modelled(UTIL, scalers.metric("my_metric", "3"), scalers.metric("kv_cache_usage", "800m"))

    assert [signal.name for signal in found.scaler.policy.signals] == ["DCGM_FI_DEV_GPU_UTIL"]
    left_out = [note for note in found.notes if note.startswith("left out")]
    assert "my_metric" in left_out[0]
    assert "kv_cache_usage" in left_out[1]


def test_without_any_signal_that_can_be_simulated_the_remedy_is_told() -> None:
    with pytest.raises(history.BacktestError, match=r"serving/llm: none of its metrics.*my_metric.*spec\.signals"):
        modelled(scalers.metric("my_metric", "3"))


def test_another_scaler_of_the_same_target_keeps_the_model() -> None:
    found = modelled(UTIL, scalers.metric("my_metric", "3"))
    other = scalers.read(scalers.document(scalers.metric("DCGM_FI_DEV_GPU_UTIL", "60"), scalers.metric("my_metric", "3")))

    scaled = found.scaled(other)

    assert [(signal.name, signal.target_milli) for signal in scaled.policy.signals] == [("DCGM_FI_DEV_GPU_UTIL", 60_000)]
