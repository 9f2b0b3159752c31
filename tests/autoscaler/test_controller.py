"""The control loop on a cluster in memory, with the event loop's own time."""

import asyncio
from collections import Counter
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from autoscaler.anticipate.anticipation import Anticipation
from autoscaler.cost.hardware import Capacity, Hardware
from autoscaler.cost.prices import Prices
from autoscaler.decision.startup import Sample
from autoscaler.report.record import Recorder
from autoscaler.resource.scaler import Key
from forecasting.forecast import Spec
from tests.autoscaler import disks, town
from tests.autoscaler.anticipate import world
from tests.autoscaler.town import Town

pytestmark = pytest.mark.looptime(noop_cycles=2)


async def test_a_queue_that_asks_for_more_replicas_gets_them() -> None:
    here = Town()
    here.deploy("qwen", 2)
    here.apply(town.scaler())
    here.metrics.per_pod = 25.0

    await here.steered(8.0)

    # 2 pods × 25 waiting ÷ 10 = 5; and then 5 × 25 ÷ 10 = 13, of which 10 are allowed.
    assert [asked.body["spec"]["replicas"] for asked in here.writes("/scale")] == [5, 10]
    assert {asked.query["fieldManager"] for asked in here.writes("/scale")} == {"leadtime"}
    assert here.condition("Ready")["status"] == "True"


async def test_what_is_about_to_be_done_is_remembered_before_it_is_done() -> None:
    here = Town()
    here.deploy("qwen", 2)
    here.apply(town.scaler())
    here.metrics.per_pod = 25.0

    await here.steered(3.0)

    order = [asked.path for asked in here.world.asked if "configmaps" in asked.path or asked.path.endswith("/scale")]
    written = [position for position, path in enumerate(order) if path.endswith("/scale")]
    assert written
    assert "configmaps" in order[written[0] - 1]


async def test_recommend_writes_nothing_but_its_own_status_and_memory() -> None:
    here = Town()
    here.deploy("qwen", 2)
    here.apply(town.scaler(mode="Recommend"))
    here.metrics.per_pod = 25.0

    await here.steered(8.0)

    written = [asked.path for asked in here.world.asked if asked.method != "GET"]
    assert here.status()["desiredReplicas"] == 5
    assert here.replicas() == 2
    assert [path for path in written if not any(ours in path for ours in ("inferencescalers", "configmaps", "events"))] == []


async def test_a_target_whose_api_hangs_delays_no_other() -> None:
    here = Town()
    for name in ("slow", "quick"):
        here.deploy(name, 2)
        here.apply(town.scaler(name, name))
    here.metrics.per_pod = 25.0
    request = here.client.request

    async def hanging(method: str, path: str, **more: object) -> bytes:
        if path.endswith("/slow/scale"):
            await asyncio.sleep(5.0)
            raise town.refused(0)
        return await request(method, path, **more)  # type: ignore[arg-type]

    here.client.request = hanging  # type: ignore[method-assign]

    await here.steered(4.0)

    assert (here.replicas("slow"), here.replicas("quick")) == (2, 10)


@pytest.mark.parametrize("status", [429, 500, 503, 0])
async def test_an_api_server_that_refuses_is_asked_again_and_its_refusal_is_no_conflict(status: int) -> None:
    here = Town()
    here.deploy("qwen", 2)
    here.apply(town.scaler())
    here.metrics.per_pod = 15.0
    request, refusals = here.client.request, 3

    async def refusing(method: str, path: str, **more: object) -> bytes:
        nonlocal refusals
        if path.endswith("/scale") and method == "PATCH" and refusals:
            refusals -= 1
            raise town.refused(status)
        return await request(method, path, **more)  # type: ignore[arg-type]

    here.client.request = refusing  # type: ignore[method-assign]

    await here.steered(4.0)
    during = here.condition("Ready")
    await here.steered(20.0)

    assert (during["reason"], during["status"]) == ("ApiServerUnavailable", "Unknown")
    assert here.replicas() > 2
    assert here.condition("Conflict")["status"] == "False"


async def test_a_write_of_ours_whose_answer_is_lost_is_not_taken_for_somebody_elses() -> None:
    here = Town()
    here.deploy("qwen", 2)
    here.apply(town.scaler(maxReplicas=5))
    here.metrics.per_pod = 25.0
    request = here.client.request

    async def losing(method: str, path: str, **more: object) -> bytes:
        answer = await request(method, path, **more)  # type: ignore[arg-type]
        if path.endswith("/scale") and method == "PATCH":
            raise town.refused(0)
        return answer

    here.client.request = losing  # type: ignore[method-assign]

    await here.steered(12.0)

    # 2 pods × 25 waiting ÷ 10 = 5.
    assert here.replicas() == 5
    assert len(here.writes("/scale")) == 1
    assert (here.condition("Ready")["reason"], here.condition("Conflict")["status"]) == ("Ready", "False")


@pytest.mark.parametrize(("status", "grows"), [(403, True), (413, True), (500, False), (0, False)])
async def test_a_memory_that_may_not_be_written_keeps_nobody_waiting_and_one_that_will_be_is_waited_for(
    status: int, grows: bool
) -> None:
    here = Town()
    here.deploy("qwen", 2)
    here.apply(town.scaler())
    here.metrics.per_pod = 25.0
    request = here.client.request

    async def refusing(method: str, path: str, **more: object) -> bytes:
        if "configmaps" in path and method != "GET":
            raise town.refused(status)
        return await request(method, path, **more)  # type: ignore[arg-type]

    here.client.request = refusing  # type: ignore[method-assign]

    await here.steered(4.0)

    assert (here.replicas() > 2) == grows


async def test_every_problem_of_an_object_is_in_its_condition_and_its_target_is_left_alone() -> None:
    here = Town()
    here.deploy("qwen", 2)
    here.apply(town.scaler(minReplicas=8, maxReplicas=4, idle={"replicas": 9}))
    here.metrics.per_pod = 25.0

    await here.steered(3.0)

    ready = here.condition("Ready")
    assert (ready["status"], ready["reason"]) == ("False", "Invalid")
    assert "minReplicas" in ready["message"]
    assert "idle.replicas" in ready["message"]
    assert here.writes("/scale") == []


async def test_of_two_objects_on_one_target_the_older_steers_and_the_younger_says_who() -> None:
    here = Town()
    here.deploy("qwen", 2)
    here.apply(town.scaler("older"))
    await asyncio.sleep(5.0)
    here.apply(town.scaler("younger"))

    await here.steered(4.0)

    assert here.condition("Ready", "older")["status"] == "True"
    assert here.condition("Ready", "younger")["reason"] == "TargetClaimed"
    assert "llm/older" in here.condition("Ready", "younger")["message"]


async def test_the_younger_takes_over_when_the_older_is_deleted() -> None:
    here = Town()
    here.deploy("qwen", 2)
    here.apply(town.scaler("older"))
    await asyncio.sleep(5.0)
    here.apply(town.scaler("younger"))
    asyncio.get_running_loop().call_later(4.0, here.delete, "older")

    await here.steered(12.0)

    assert here.condition("Ready", "younger")["reason"] == "Ready"


async def test_a_target_that_is_not_there_is_said_and_steered_as_soon_as_it_appears() -> None:
    here = Town()
    here.apply(town.scaler())
    here.metrics.per_pod = 25.0
    said: list[str] = []
    loop = asyncio.get_running_loop()
    loop.call_later(10.0, lambda: said.append(here.condition("Ready")["reason"]))
    loop.call_later(10.0, here.deploy, "qwen", 2)

    await here.steered(12.0)

    assert said == ["TargetNotFound"]
    assert here.replicas() > 2


async def test_pending_requests_at_zero_wake_the_target_with_the_read_that_shows_them() -> None:
    here = Town()
    here.deploy("qwen", 1)
    gateway = {
        "type": "Object",
        "object": {
            "metric": {"name": "gateway_queue_size"},
            "describedObject": {"apiVersion": "v1", "kind": "Service", "name": "qwen"},
            "target": {"type": "AverageValue", "averageValue": "10"},
        },
    }
    here.apply(town.scaler(minReplicas=0, metrics=[gateway], idle={"replicas": 1, "afterSeconds": 10, "zeroAfterSeconds": 20}))
    here.metrics.pending = 0.0
    await here.steered(400.0)
    slept = here.replicas()
    soon_after: list[int] = []

    def pend() -> None:
        here.metrics.pending = 25.0
        here.metrics.on_read(town.NAMESPACE, "gateway_queue_size")

    loop = asyncio.get_running_loop()
    loop.call_later(7.3, pend)
    # Half a read's pace at most passes, after the tick before it.
    loop.call_later(7.3 + 0.6, lambda: soon_after.append(here.replicas()))

    await here.steered(12.0)

    # ⌈25 pending ÷ 10⌉
    assert (slept, soon_after) == (0, [3])


async def test_a_load_that_rises_is_acted_on_with_the_read_that_shows_it_unless_a_window_has_to_pass() -> None:
    here = Town()
    held = {"scaleUp": {"stabilizationWindowSeconds": 60, "policies": [{"type": "Pods", "value": 100, "periodSeconds": 1}]}}
    for name, behavior in (("free", None), ("held", held)):
        here.deploy(name, 2)
        changes = {} if behavior is None else {"behavior": behavior}
        # Not urgent: 15 of 10 is under twice what the pods take.
        here.apply(town.scaler(name, name, **changes))
    here.metrics.per_pod = 9.5
    seen: list[tuple[int, int]] = []

    def look() -> None:
        seen.append((here.replicas("free"), here.replicas("held")))

    def rise() -> None:
        look()
        here.metrics.per_pod = 15.0
        here.metrics.on_read(town.NAMESPACE, "inference_queue_size")

    loop = asyncio.get_running_loop()
    loop.call_later(31.0, rise)
    loop.call_later(31.0 + 0.8, look)

    await here.steered(33.0, here.controller(tick_s=15.0))

    # ⌈2 pods × 15 waiting ÷ 10⌉ within a second of a period of fifteen.
    assert seen == [(2, 2), (3, 2)]


async def test_a_lost_metric_lowers_nothing_and_is_said() -> None:
    here = Town()
    here.deploy("qwen", 4)
    here.apply(town.scaler())
    here.metrics.per_pod = None

    await here.steered(400.0, here.controller(tick_s=15.0))

    fresh = here.condition("SignalsFresh")
    assert here.replicas() == 4
    assert (fresh["status"], fresh["reason"]) == ("False", "NoneFresh")
    assert "source down: prometheus" in fresh["message"]


async def test_a_new_leader_goes_on_with_the_cool_down_of_the_one_before() -> None:
    here = Town()
    here.deploy("qwen", 2)
    here.apply(town.scaler(scaleDown={"rule": "Consolidation", "cooldownSeconds": 120}))
    here.metrics.per_pod = 15.0
    await here.steered(2.5)
    grown = here.replicas()
    here.metrics.per_pod = 0.1

    await here.steered(60.0)
    held = here.replicas()
    await here.steered(90.0)

    assert grown == held > 2
    assert here.replicas() == 1


async def test_a_memory_that_somebody_has_mangled_is_said_and_nothing_is_lowered_for_a_while() -> None:
    here = Town()
    here.deploy("qwen", 4)
    here.apply(town.scaler())
    await asyncio.sleep(100.0)  # the object is no new one
    await here.steered(5.0)
    kind = here.world.verbs.registry.by_resource("configmaps")
    for stored in here.world.verbs.store.objects(kind.resource):
        if "llm.qwen" in stored.get("data", {}):
            here.world.patch(
                f"/api/v1/namespaces/leadtime/configmaps/{stored['metadata']['name']}", {"data": {"llm.qwen": "{mangled"}}
            )
    here.metrics.per_pod = 0.1

    await here.steered(200.0)

    assert here.condition("Ready")["reason"] == "MemoryCorrupted"
    assert here.replicas() == 4


async def test_a_learned_start_up_outlives_the_leader_though_nothing_else_has_changed() -> None:
    here = Town()
    here.deploy("qwen", 2)
    here.apply(town.scaler())
    here.metrics.per_pod = 10.0
    start = Sample(uid="qwen-7", created_at=town.EPOCH, ready_at=town.EPOCH + 90.0)
    asyncio.get_running_loop().call_later(20.0, here.pods.started.append, start)
    first = here.controller()

    await here.steered(30.0, first)
    await here.steered(30.0)

    assert here.status()["startup"]["samples"] == 1


async def test_what_the_gpus_cost_today_goes_on_whoever_leads_and_no_second_counts_twice() -> None:
    here = Town()
    here.telemetry.prices = Prices("EUR", {Hardware("NVIDIA-L4", Capacity.SPOT): 1.0})
    here.deploy("qwen", 2)
    here.apply(town.scaler())
    here.metrics.per_pod = 8.0
    first, second = (here.controller(tick_s=15.0, status_s=15.0) for _ in range(2))

    for leader in (first, second, first):
        await here.steered(300.0, leader)

    status = here.status()
    # 16 GPUs for a quarter of an hour are 4 GPU-hours, less half a minute around each change of leader.
    assert status["gpus"] == 16
    assert status["today"] == "1970-01-12"
    assert 3.6 < status["gpuHoursToday"] <= 4.0
    assert 3.6 < float(status["costToday"].removesuffix(" EUR")) <= 4.0


async def test_a_target_that_cannot_be_looked_at_holds_nothing_that_anybody_counts() -> None:
    here = Town()
    here.deploy("qwen", 2)
    here.apply(town.scaler())
    here.metrics.per_pod = 8.0
    leading = asyncio.create_task(here.controller().lead())

    await asyncio.sleep(60.0)
    before = here.telemetry.render().decode()
    here.world.delete(f"{town.DEPLOYMENTS}/qwen")
    await asyncio.sleep(60.0)
    after = here.telemetry.render().decode()
    leading.cancel()
    await asyncio.gather(leading, return_exceptions=True)

    assert 'leadtime_gpus{namespace="llm",scaler="qwen",target="Deployment/qwen",state="serving"' in before
    assert 'leadtime_gpus{namespace="llm"' not in after
    assert 'type="Ready",reason="TargetNotFound"} 0' in after


async def test_each_start_that_is_learned_counts_once() -> None:
    here = Town()
    here.deploy("qwen", 2)
    here.apply(town.scaler())
    here.metrics.per_pod = 8.0
    start = Sample(uid="qwen-7", created_at=town.EPOCH, ready_at=town.EPOCH + 90.0)
    for at_s in (20.0, 30.0):  # told twice, as after a watch that began anew
        asyncio.get_running_loop().call_later(at_s, here.pods.started.append, start)

    await here.steered(60.0)

    counted = [line for line in here.telemetry.render().decode().splitlines() if "startup_duration_seconds_count" in line]
    assert counted == [
        'leadtime_startup_duration_seconds_count{namespace="llm",scaler="qwen",target="Deployment/qwen",phase="total"} 1'
    ]


async def test_who_has_lost_the_lease_writes_nothing() -> None:
    here = Town()
    here.deploy("qwen", 2)
    here.apply(town.scaler())
    here.metrics.per_pod = 25.0
    here.holds = False

    await here.steered(10.0)

    assert here.replicas() == 2
    assert here.writes("/status") == []


async def test_somebody_elses_number_stands_for_a_while_and_is_named() -> None:
    here = Town()
    here.deploy("qwen", 2)
    here.apply(town.scaler())
    here.metrics.per_pod = 5.0
    loop = asyncio.get_running_loop()
    loop.call_later(6.0, here.world.patch, f"{town.DEPLOYMENTS}/qwen", {"spec": {"replicas": 7}})

    await here.steered(13.0)

    assert here.replicas() == 7
    assert here.condition("Conflict")["status"] == "True"


async def test_an_hpa_on_the_same_target_is_named_and_yielded_to() -> None:
    here = Town()
    here.deploy("qwen", 2)
    here.apply(town.scaler())
    here.metrics.per_pod = 25.0
    here.hpas.name = "HorizontalPodAutoscaler llm/qwen"

    await here.steered(10.0)

    assert here.replicas() == 2
    assert "HorizontalPodAutoscaler llm/qwen" in here.condition("Conflict")["message"]


async def test_many_scalers_are_spread_over_the_period() -> None:
    here = Town()
    controller = here.controller(tick_s=10.0)
    begun: Counter[int] = Counter()
    original = controller._steering.decide

    def decide(tracked, scaler, target):  # type: ignore[no-untyped-def]
        begun[int(asyncio.get_running_loop().time() * 10)] += 1
        return original(tracked, scaler, target)

    controller._steering.decide = decide  # type: ignore[method-assign]
    here.metrics.per_pod = 5.0
    for number in range(50):
        here.deploy(f"m{number}", 1)
        here.apply(town.scaler(f"m{number}", f"m{number}", mode="Recommend"))

    await here.steered(32.0, controller)

    # 50 in 100 tenths of a second of each period are one at a time; by chance some more.
    later = {tenth: count for tenth, count in begun.items() if tenth > 110}
    assert sum(later.values()) >= 50 * 2
    assert max(later.values()) <= 4


async def test_replicas_are_set_before_anybody_is_told_of_them_and_words_do_not_wait_for_ever() -> None:
    here = Town()
    for number in range(30):
        here.deploy(f"m{number}", 1)
        here.apply(town.scaler(f"m{number}", f"m{number}"))
    here.metrics.per_pod = 15.0
    request = here.client.request
    order: list[str] = []

    async def slow(method: str, path: str, **more: object) -> bytes:
        if method == "PATCH" and path.endswith(("/scale", "/status")):
            order.append(path.rpartition("/")[2])
            if path.endswith("/scale"):
                await asyncio.sleep(60.0)  # as slow as an API server that hangs
        return await request(method, path, **more)  # type: ignore[arg-type]

    here.client.request = slow  # type: ignore[method-assign]

    await here.steered(50.0)

    # Until 17 are being changed there is no crowd; from then on only replicas are set, until thirty seconds are over.
    scales = [position for position, what in enumerate(order) if what == "scale"]
    assert set(order[scales[17] : scales[29]]) == {"scale"}
    assert order.count("status") >= 30


async def test_a_scaler_that_is_deleted_is_forgotten() -> None:
    here = Town()
    here.deploy("qwen", 2)
    here.apply(town.scaler())
    await here.steered(5.0)
    here.delete("qwen")

    await here.steered(5.0)

    kind = here.world.verbs.registry.by_resource("configmaps")
    kept = [name for stored in here.world.verbs.store.objects(kind.resource) for name in stored.get("data") or {}]
    assert kept == []
    assert here.scalers.get(Key(town.NAMESPACE, "qwen")) is None


async def test_however_many_scalers_are_taken_over_it_is_said_once_what_is_to_be_read() -> None:
    here = Town()
    for number in range(100):
        here.apply(town.scaler(f"scaler-{number}", f"target-{number}"))
    told: list[int] = []
    here.metrics.wanted = lambda wanted: told.append(len(wanted))  # type: ignore[method-assign]

    await here.steered(0.5)

    assert told == [1, 0]  # all of them want the same metric; and nobody any more, once nobody leads


@pytest.mark.parametrize("led_s", [5.0, 0.02])  # 0.02: it has not even been said yet what is to be read
async def test_who_leads_no_longer_reads_no_metric(led_s: float) -> None:
    here = Town()
    here.deploy("qwen", 2)
    here.apply(town.scaler())
    asked: list[int] = []
    asyncio.get_running_loop().call_later(led_s - 0.01, lambda: asked.append(len(here.metrics.asked)))

    await here.steered(led_s)
    await asyncio.sleep(10.0)

    assert asked == [1 if led_s > 1.0 else 0]
    assert here.metrics.asked == set()


async def test_a_defect_of_ours_is_said_on_the_object_and_keeps_no_other_target_waiting() -> None:
    here = Town()
    for name in ("broken", "sound"):
        here.deploy(name, 2)
        here.apply(town.scaler(name, name))
    here.metrics.per_pod = 25.0
    controller = here.controller()
    original = controller._steering.decide

    def decide(tracked, scaler, target):  # type: ignore[no-untyped-def]
        if tracked.key.name == "broken":
            raise ValueError("year 10000 is out of range")
        return original(tracked, scaler, target)

    controller._steering.decide = decide  # type: ignore[method-assign]

    with capture_logs() as said:
        await here.steered(8.0, controller)

    ready = here.condition("Ready", "broken")
    assert (ready["status"], ready["reason"]) == ("Unknown", "InternalError")
    assert "ValueError: year 10000 is out of range" in ready["message"]
    assert (here.replicas("broken"), here.replicas("sound")) == (2, 10)
    assert [entry["scaler"] for entry in said if "exc_info" in entry][:1] == ["llm/broken"]


async def test_a_record_on_a_full_disk_stops_no_decision(tmp_path: Path) -> None:
    here = Town()
    here.deploy("qwen", 2)
    here.apply(town.scaler())
    here.metrics.per_pod = 25.0

    with Recorder(tmp_path / "record.jsonl") as recorder, capture_logs(), disks.full():
        await here.steered(8.0, here.controller(recorder=recorder))

    assert here.replicas() == 10
    assert here.condition("Ready")["status"] == "True"


async def test_a_load_is_learned_from_the_decisions_and_its_forecast_is_shown() -> None:
    here = Town()
    here.deploy("qwen", 2)
    here.apply(town.scaler())
    anticipation = Anticipation(spec=Spec(horizons=(1, 5)), telemetry=here.telemetry, clock=here.clock, aside=world.at_once)

    await here.steered(400.0, here.controller(anticipation=anticipation))

    told = here.status()["forecast"]
    # 5 waiting at each of as many pods as there are, and 10 are meant for one: half of them are worth of load.
    assert told["offered"] == 0.5 * here.replicas()
    assert told["serving"] > 0.0
    assert told["horizonSeconds"] == 120.0  # 60 s to start, 15 s to the next decision, and the half of a bucket
    assert told["gateOpen"] is False
    assert here.condition("ForecastUsed")["reason"] == "Learning"
    assert "of 200 forecasts have come due" in here.condition("ForecastUsed")["message"]
    page = here.telemetry.render().decode()
    assert f'leadtime_offered_replicas{{namespace="llm",scaler="qwen",target="Deployment/qwen"}} {told["offered"]}\n' in page
    assert 'leadtime_forecast_gate_open{namespace="llm",scaler="qwen",target="Deployment/qwen"} 0\n' in page


async def test_who_asks_for_no_forecast_has_none_and_who_is_deleted_leaves_none() -> None:
    here = Town()
    for name, mode in (("off", "Off"), ("gone", "Gated"), ("stays", "Gated")):
        here.deploy(name, 2)
        here.apply(town.scaler(name, name, forecast={"mode": mode}))
    anticipation = Anticipation(spec=Spec(horizons=(1, 5)), clock=here.clock, aside=world.at_once)
    leading = asyncio.create_task(here.controller(anticipation=anticipation).lead())
    await asyncio.sleep(130.0)
    before = {name: anticipation.outlook(Key(town.NAMESPACE, name)).forecast for name in ("off", "gone", "stays")}

    here.delete("gone")
    await asyncio.sleep(1.0)
    leading.cancel()
    await asyncio.gather(leading, return_exceptions=True)

    assert [name for name, forecast in before.items() if forecast is not None] == ["gone", "stays"]
    assert anticipation.outlook(Key(town.NAMESPACE, "gone")).forecast is None
    assert here.condition("ForecastUsed", "off")["reason"] == "Off"
    assert here.status("off")["forecast"]["summary"] == "none"


async def test_a_controller_that_takes_over_has_the_forecasts_of_the_one_before_it(tmp_path: Path) -> None:
    here = Town()
    here.deploy("qwen", 2)
    here.apply(town.scaler())

    def anticipation() -> Anticipation:
        return Anticipation(spec=Spec(horizons=(1, 5)), folder=tmp_path, clock=here.clock, aside=world.at_once)

    await here.steered(200.0, here.controller(anticipation=anticipation()))
    before = here.status()["forecast"]
    await here.steered(8.0, here.controller(anticipation=anticipation()))

    after = here.status()["forecast"]
    assert before["quantiles"]
    assert (after["quantiles"], after["evaluations"]) == (before["quantiles"], before["evaluations"])
