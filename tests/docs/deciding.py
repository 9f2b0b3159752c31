"""The decisions of `docs/explanation/decision.md`, taken by the controller's own code and told by its own command.

``python -m tests.docs.deciding`` prints them as they stand on the page.
"""

import tempfile
from dataclasses import replace
from pathlib import Path

from typer.testing import CliRunner

from autoscaler.cli import main
from autoscaler.decision import pipeline
from autoscaler.decision.model import (
    Forecast,
    Kind,
    Memory,
    Mode,
    Observation,
    Pods,
    Policy,
    Reading,
    Record,
    Signal,
    Source,
    Span,
    WarmPool,
)
from autoscaler.report import record

#: 2026-11-23 09:00:00 UTC.
NOW = 1_795_424_400.0
TARGET = "llm-inference/vllm-qwen"
UTILIZATION = Signal(name="gpu_utilization", kind=Kind.UTILIZATION, source=Source.PODS, target_milli=700)
QUEUE = Signal(name="inference_queue_size", kind=Kind.QUEUE, source=Source.PODS, target_milli=10_000)
POLICY = Policy(min_replicas=1, max_replicas=8, signals=(UTILIZATION, QUEUE), warm_pool=WarmPool(min=1, max=2), mode=Mode.AUTO)


def up() -> Record:
    """Return the decision on three that serve and a warm one, with a queue that grows and a burst that is foreseen."""
    seen = Observation(
        now=NOW,
        replicas=4,
        status_replicas=4,
        pods=Pods(ready=3, warm_ready=1),
        readings=(
            Reading(total_milli=2_220, reporting=3, at=NOW - 24.0, band_ratio=0.74),
            Reading(total_milli=36_000, reporting=3, at=NOW - 3.0),
        ),
        gpus_per_replica=1,
        forecast=Forecast(serving=4.6, pool=5.7, horizon_s=180.0, gate_open=True),
        startup_p90_s=62.0,
    )
    return _decided(POLICY, seen, Memory(expected=4, serving=3, asked=(Span(3, NOW - 600.0, NOW - 5.0),), up_at=NOW - 3_600.0))


def down() -> Record:
    """Return the decision on six that serve, two minutes after the last scale-up, with work for less than three of them."""
    policy = replace(POLICY, warm_pool=WarmPool())
    seen = Observation(
        now=NOW,
        replicas=6,
        status_replicas=6,
        pods=Pods(ready=6),
        readings=(
            Reading(total_milli=1_860, reporting=6, at=NOW - 24.0, band_ratio=0.31),
            Reading(total_milli=12_000, reporting=6, at=NOW - 3.0),
        ),
        gpus_per_replica=1,
        startup_p90_s=62.0,
    )
    return _decided(policy, seen, Memory(expected=6, serving=6, asked=(Span(3, NOW - 400.0, NOW - 5.0),), up_at=NOW - 120.0))


def _decided(policy: Policy, seen: Observation, before: Memory) -> Record:
    decision, after = pipeline.decide(policy, seen, before)
    return Record(target=TARGET, policy=policy, observation=seen, before=before, decision=decision, after=after)


def told(one: Record) -> str:
    """Return what ``leadtime explain isc`` prints of *one*, from a record as the controller writes it."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "decisions.jsonl"
        with record.Recorder(path) as recorder:
            recorder.write(one)
        ran = CliRunner().invoke(main.app, ["explain", "isc", one.target, f"--record={path}"])
    if ran.exit_code:
        raise AssertionError(ran.output)
    return ran.output


if __name__ == "__main__":
    print(told(up()), told(down()), sep="\n")
