"""A scaler and its surroundings, as the parts that report are given them."""

import dataclasses
from collections.abc import Mapping
from typing import Any

from autoscaler.cost.account import Today
from autoscaler.cost.census import Census, Holding, State, Waiting
from autoscaler.cost.hardware import Capacity, Hardware
from autoscaler.cost.prices import Prices
from autoscaler.decision.model import Forecast, Record
from autoscaler.decision.offered import Offered
from autoscaler.decision.startup import Start
from autoscaler.outlook import Outlook
from autoscaler.report import conditions, counterfactual, status
from autoscaler.resource.scaler import Key, Mechanism, Scaler, TargetRef
from autoscaler.seen import Pool
from tests.autoscaler.report import histories

SCALER = Scaler(
    key=Key("llm-inference", "qwen"),
    uid="uid-qwen",
    generation=3,
    created_at=histories.START - 3600.0,
    target=TargetRef("apps/v1", "Deployment", "vllm-qwen"),
    policy=histories.POLICY,
    queries=(),
)
#: The same with the policy of `histories.held_by_the_cool_down`.
HELD = dataclasses.replace(SCALER, policy=histories.held_by_the_cool_down().policy)
STARTUP = status.Startup(
    p50_s=45.04, p90_s=60.0, p99_s=80.0, samples=3, phases=(status.Phase(name="Loaded", p50_s=30.0, p90_s=41.26),)
)
OFFERED = Offered(2.4, ("inference_queue_size",))
OUTLOOK = Outlook(
    forecast=Forecast(serving=6.0, pool=7.0, horizon_s=120.0, gate_open=True, why="its loss is 0.81 of the best"),
    quantiles=((0.5, 4.5), (0.9, 6.0)),
    realised=3.0,
    learning=False,
    ratio=0.8125,
    coverage=0.9046,
    evaluations=1500,
    why="its loss is 0.81 of the best",
)
GPU = Hardware("NVIDIA-H100", Capacity.SPOT)
CENSUS = Census((Holding(State.SERVING, GPU, 4), Holding(State.STARTING, GPU, 2)), Waiting(unschedulable=1, loading=2))
PRICES = Prices("EUR", {GPU: 3.6})
START = Start(histories.START, 70.0, 10.0, 20.0, 40.0)
POOL = Pool(mechanism=Mechanism.LABEL, why="the Service selects the label")


def document(
    record: Record,
    previous: Mapping[str, Any] | None = None,
    *,
    offered: Offered | None = None,
    outlook: Outlook | None = None,
    gpus: int | None = None,
    today: Today | None = None,
) -> dict[str, Any]:
    """Return the status after *record*, as the controller makes it."""
    before = previous or {}
    news = status.is_news(record.decision, previous)
    answers = conditions.decided(record.policy, record.observation, record.decision, record.after, outlook=outlook)
    return status.document(
        SCALER,
        observation=record.observation,
        decision=record.decision,
        memory=record.after,
        conditions=conditions.documents(answers, before.get("conditions", ()), at=record.observation.now, generation=3),
        startup=STARTUP,
        pool=POOL,
        gpus=gpus,
        today=today,
        offered=offered,
        outlook=outlook,
        otherwise=counterfactual.of(record.policy, record.observation, record.before, record.decision) if news else (),
        previous=previous,
    )
