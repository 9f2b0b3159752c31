"""A gateway loses no request, spreads them over the pods that take some, and shows how many it holds."""

from hypothesis import given
from hypothesis import strategies as st
from prometheus_client.parser import text_string_to_metric_families

from adapter import settings
from adapter.rules.model import NamedObject
from autoscaler.sandbox.fleet.engine import Engine, Request
from autoscaler.sandbox.fleet.gateway import FlowControl, Gateway, GatewayPage
from autoscaler.sandbox.fleet.load import Shape
from autoscaler.sandbox.fleet.simulation import Fleet, PodSeen
from tests.manifests import reading

NODES = {"gpu-0": 4}
HOLDING = FlowControl(patience_s=60.0, in_flight_per_pod=40)


def pod(name: str, *, ready: bool = True, routed: bool = True) -> PodSeen:
    return PodSeen("llm", name, "gpu-0", ready, routed=routed)


def run(fleet: Fleet, seconds: float) -> None:
    for _ in range(round(seconds / 0.1)):
        fleet.advance(0.1)


def arrivals(*times: float) -> list[Request]:
    return [Request(at, 100, 10) for at in times]


steps = st.lists(st.tuples(st.integers(0, 30), st.integers(0, 3)), min_size=1, max_size=20)


@given(steps, st.integers(1, 8), st.sampled_from([0.0, 0.5, 3.0]))
def test_every_request_is_held_with_an_engine_or_given_up_and_no_engine_has_too_many(
    told: list[tuple[int, int]], limit: int, patience_s: float
) -> None:
    gateway = Gateway(FlowControl(patience_s=patience_s, in_flight_per_pod=limit))
    engines = [Engine() for _ in range(3)]
    offered = given_up = finished = 0
    for step, (count, taking) in enumerate(told):
        start, end = step * 0.5, (step + 1) * 0.5
        gateway.accept(arrivals(*[start] * count))
        given_up += gateway.dispatch(engines[:taking], start=start, end=end)
        finished += sum(len(list(engine.advance(now=end, by_s=0.5))) for engine in engines)
        offered += count

        assert offered == len(gateway.waiting) + sum(engine.outstanding for engine in engines) + finished + given_up
        assert all(engine.outstanding <= limit for engine in engines)
        assert all(end - request.arrived_at < patience_s for request in gateway.waiting)


def test_the_least_loaded_engine_gets_the_next_request() -> None:
    gateway, engines = Gateway(), [Engine(), Engine()]
    engines[0].offer(Request(0.0, 100, 10))

    gateway.accept(arrivals(0.1, 0.2, 0.3))
    gateway.dispatch(engines, start=0.0, end=0.5)

    assert [engine.outstanding for engine in engines] == [2, 2]


def test_what_was_held_counts_for_the_client_and_not_for_the_engine() -> None:
    gateway, engine = Gateway(HOLDING), Engine()
    gateway.accept(arrivals(0.5))
    gateway.dispatch([], start=0.0, end=1.0)

    gateway.dispatch([engine], start=4.0, end=5.0)
    (done,) = engine.advance(now=5.0, by_s=1.0)

    assert done.held_s == 3.5
    # 100 tokens of a prompt at 20,000 a second.
    assert round(done.time_to_first_token_s, 6) == 0.005


def test_a_fleet_without_pods_holds_its_requests_until_one_takes_them() -> None:
    fleet = Fleet(control=HOLDING)
    fleet.offer(Shape.constant(2.0))
    fleet.see([pod("a", ready=False)], NODES)
    run(fleet, 10.0)
    held = len(fleet.gateway.waiting)

    fleet.see([pod("a")], NODES)
    run(fleet, 30.0)

    assert 10 < held < 30
    assert fleet.failed == 0
    assert len(fleet.gateway.waiting) == 0
    # Those that came more than 2 s before the pod was there got their first token late, and no other.
    assert 0 < fleet.late <= held


def test_a_pod_that_is_not_routed_gets_nothing_and_works_on_what_it_has() -> None:
    fleet = Fleet(control=HOLDING)
    fleet.offer(Shape.constant(4.0))
    fleet.see([pod("a"), pod("warm", routed=False)], NODES)
    run(fleet, 10.0)
    assert b"vllm:num_requests_running{" in (fleet.vllm("llm", "warm") or b"")
    assert b'vllm:request_success_total{engine="0",finished_reason="stop",model_name="Qwen/Qwen3-8B"} 0.0' in (
        fleet.vllm("llm", "warm") or b""
    )

    completed = fleet.completed
    fleet.see([pod("a", routed=False), pod("warm")], NODES)
    fleet.offer(Shape.constant(0.0))
    run(fleet, 10.0)

    assert fleet.completed > completed
    assert (fleet.outstanding(), fleet.failed) == (0, 0)


def test_requests_that_nobody_takes_are_given_up_after_the_gateways_patience() -> None:
    fleet = Fleet(control=FlowControl(patience_s=5.0))
    fleet.offer(Shape([(0.0, 4.0), (1.0, 4.0), (1.0, 0.0)]))
    run(fleet, 4.0)
    held = len(fleet.gateway.waiting)

    run(fleet, 3.0)

    assert held > 0
    assert (fleet.failed, fleet.outstanding()) == (held, 0)


def test_what_pods_do_not_take_waits_at_the_gateway_while_engines_keep_what_they_have() -> None:
    fleet = Fleet(control=FlowControl(patience_s=60.0, in_flight_per_pod=40))
    fleet.offer(Shape.constant(20.0))
    fleet.see([pod("a")], NODES)

    run(fleet, 20.0)

    # 20 a second come and at most 6.7 go: some 260 are too many after 20 s, and the engine has no more than 40.
    assert 200 < len(fleet.gateway.waiting) < 320
    assert fleet.outstanding() - len(fleet.gateway.waiting) <= 40


def test_a_deleted_pod_finishes_what_it_can_in_the_time_that_it_has() -> None:
    fleet = Fleet(control=HOLDING, drain_s=30.0)
    fleet.offer(Shape.constant(4.0))
    fleet.see([pod("a")], NODES)
    run(fleet, 10.0)
    fleet.offer(Shape.constant(0.0))
    outstanding, completed = fleet.outstanding(), fleet.completed

    fleet.see([], NODES)
    run(fleet, 30.0)

    assert outstanding > 0
    assert (fleet.completed - completed, fleet.failed, fleet.outstanding()) == (outstanding, 0, 0)


def test_gpu_seconds_count_every_pod_that_holds_a_gpu_whatever_it_does() -> None:
    fleet = Fleet()
    fleet.see([pod("serves"), pod("warm", routed=False), pod("starts", ready=False)], NODES)

    run(fleet, 10.0)

    assert round(fleet.gpu_s, 6) == 30.0


def test_the_page_has_the_queue_under_both_names_of_it() -> None:
    text = GatewayPage("vllm-qwen", "m").render(waiting=7, ready=2, accepted=0).decode()

    found = {sample.name: sample for family in text_string_to_metric_families(text) for sample in family.samples}
    for name in ("llm_d_epp_flow_control_queue_size", "inference_extension_flow_control_queue_size"):
        assert found[name].value == 7.0
        assert found[name].labels["inference_pool"] == "vllm-qwen"
    assert found["llm_d_epp_ready_endpoints"].value == 2.0


def test_the_page_counts_every_request_that_came_once() -> None:
    page = GatewayPage("vllm-qwen", "m")
    gateway = Gateway()
    gateway.accept([Request(0.0, 10, 10), Request(0.1, 10, 10)])

    page.render(waiting=0, ready=0, accepted=gateway.accepted)
    text = page.render(waiting=0, ready=0, accepted=gateway.accepted).decode()  # a second look makes no more of them

    found = {sample.name: sample.value for family in text_string_to_metric_families(text) for sample in family.samples}
    assert found["llm_d_epp_request_total"] == found["inference_objective_request_total"] == 2.0


def test_the_shipped_rule_reads_it_as_a_metric_of_the_service() -> None:
    read = settings.load(reading.ROOT / "examples" / "adapter-scrape.yaml")
    text = GatewayPage("vllm-qwen", "m").render(waiting=7, ready=2, accepted=0).decode()

    (rule,) = [rule for rule in read.rules if rule.metric == "gateway_queue_size"]

    named = rule.objects
    assert isinstance(named, NamedObject)
    assert (named.resource, named.kind) == ("services", "Service")
    shown = {family.name: family.samples[0].labels for family in text_string_to_metric_families(text)}
    for selection in rule.selections():
        assert shown[selection.name][named.name_label] == "vllm-qwen"
