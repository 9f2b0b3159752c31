"""The fleet follows its cluster's pods, spreads the load over those that are ready, and can be replayed."""

from hypothesis import given
from hypothesis import strategies as st
from prometheus_client.parser import text_string_to_metric_families

from autoscaler.sandbox.fleet.load import Shape
from autoscaler.sandbox.fleet.simulation import Fleet, Pins, PodSeen

NODES = {"gpu-0": 2, "gpu-1": 1, "cpu-0": 0}


def pod(name: str, node: str = "gpu-0", *, ready: bool = True) -> PodSeen:
    return PodSeen("llm", name, node, ready)


def gpus(fleet: Fleet, node: str) -> dict[str, str | None]:
    """Return the pod on each GPU of *node*, as its page says."""
    families = {family.name: family for family in text_string_to_metric_families(fleet.dcgm(node) or "")}
    return {sample.labels["gpu"]: sample.labels.get("pod") for sample in families["DCGM_FI_DEV_GPU_UTIL"].samples}


def busy(fleet: Fleet, node: str) -> dict[str, float]:
    families = {family.name: family for family in text_string_to_metric_families(fleet.dcgm(node) or "")}
    return {sample.labels["gpu"]: sample.value for sample in families["DCGM_FI_DEV_GPU_UTIL"].samples}


def run(fleet: Fleet, seconds: float, step_s: float = 0.1) -> None:
    for _ in range(round(seconds / step_s)):
        fleet.advance(step_s)


def test_the_same_seed_shows_the_same_bytes() -> None:
    def pages(seed: int) -> tuple[object, ...]:
        fleet = Fleet(seed=seed)
        fleet.see([pod("a"), pod("b")], NODES)
        fleet.offer(Shape.constant(6.0))
        run(fleet, 20.0)
        return fleet.dcgm("gpu-0"), without_birthdays(fleet.vllm("llm", "a")), fleet.completed

    def without_birthdays(page: bytes | None) -> list[str]:
        # prometheus-client shows when each counter was made.
        return [line for line in (page or b"").decode().splitlines() if "_created" not in line]

    assert pages(1) == pages(1)
    assert pages(1) != pages(2)


one_pod = st.tuples(st.sampled_from("abcd"), st.sampled_from(["gpu-0", "gpu-1", ""]), st.booleans())
some_pods = st.lists(one_pod, max_size=4, unique_by=lambda told: told[0])
moves = st.lists(st.tuples(some_pods, st.integers(0, 12)), max_size=6)


@given(moves)
def test_whatever_pods_do_every_request_is_somewhere_and_no_gpu_has_two_pods(
    told: list[tuple[list[tuple[str, str, bool]], int]],
) -> None:
    fleet = Fleet()
    fleet.offer(Shape.constant(8.0))
    offered = 0
    arrivals = fleet._arrivals
    between = arrivals.between

    def counted(start: float, end: float) -> list[object]:
        nonlocal offered
        found = list(between(start, end))
        offered += len(found)
        return found  # type: ignore[return-value]

    class Counting:
        shape = arrivals.shape
        between = staticmethod(counted)

    fleet._arrivals = Counting()  # type: ignore[assignment]
    for pods, steps in told:
        fleet.see([pod(name, node, ready=ready) for name, node, ready in pods], NODES)
        for _ in range(steps):
            fleet.advance(0.5)

        assert offered == fleet.outstanding() + fleet.completed + fleet.failed
        assert {found.name for found in fleet.pods()} == {name for name, node, _ in pods if node}
        for node, count in NODES.items():
            holders = list(gpus(fleet, node).values()) if count else []
            given_to = [holder for holder in holders if holder is not None]
            assert len(given_to) == len(set(given_to)) == min(count, sum(place == node for _, place, _ in pods))


def test_load_is_spread_and_shows_as_busy_gpus_and_more_pods_bring_it_down() -> None:
    fleet = Fleet()
    # One engine finishes 6.7 requests a second at most: alone it is saturated, and 85 % is all that its GPU can be busy.
    fleet.offer(Shape.constant(8.0))
    fleet.see([pod("a")], NODES)
    run(fleet, 60.0)
    alone, queued = busy(fleet, "gpu-0")["0"], fleet.outstanding()

    fleet.see([pod("a"), pod("b")], NODES)
    run(fleet, 60.0)

    assert alone == 85.0
    assert fleet.outstanding() < queued
    assert busy(fleet, "gpu-0")["0"] < 80.0
    assert abs(busy(fleet, "gpu-0")["0"] - busy(fleet, "gpu-0")["1"]) < 15.0


def test_a_pod_that_is_not_ready_gets_no_load_and_shows_no_engine() -> None:
    fleet = Fleet()
    fleet.offer(Shape.constant(4.0))
    fleet.see([pod("a", ready=False)], NODES)

    run(fleet, 10.0)

    assert fleet.vllm("llm", "a") is None
    assert fleet.outstanding() == fleet.completed == 0
    assert fleet.failed > 20
    assert gpus(fleet, "gpu-0")["0"] == "a", "its GPU is taken all the same"


def test_a_pod_that_was_seen_before_its_node_gets_its_gpu_when_the_node_is_known() -> None:
    fleet = Fleet()
    fleet.see([pod("a")], {})

    fleet.see([pod("a")], NODES)

    assert gpus(fleet, "gpu-0") == {"0": "a", "1": None}


def test_a_pod_that_went_to_another_node_is_another_pod() -> None:
    fleet = Fleet()
    fleet.offer(Shape.constant(20.0))
    fleet.see([pod("a")], NODES)
    run(fleet, 5.0)
    outstanding = fleet.outstanding()

    fleet.see([pod("a", "gpu-1")], NODES)

    assert outstanding > 0
    assert (fleet.outstanding(), fleet.failed) == (0, outstanding)
    assert gpus(fleet, "gpu-0") == {"0": None, "1": None}
    assert gpus(fleet, "gpu-1") == {"0": "a"}


def test_more_pods_than_gpus_leaves_some_without() -> None:
    fleet = Fleet()

    fleet.see([pod("a"), pod("b"), pod("c")], NODES)

    assert sorted(gpus(fleet, "gpu-0").values(), key=str) == ["a", "b"]


def test_a_node_without_gpus_has_no_page() -> None:
    fleet = Fleet()
    fleet.see([], NODES)

    assert fleet.dcgm("cpu-0") is None
    assert fleet.dcgm("unheard-of") is None


def test_a_shape_is_offered_from_now_on() -> None:
    fleet = Fleet()
    run(fleet, 10.0)

    fleet.offer(Shape([(0.0, 2.0), (10.0, 4.0)]))

    assert fleet.rate == 2.0
    run(fleet, 5.0)
    assert abs(fleet.rate - 3.0) < 1e-6


def test_pins_are_shown_in_place_of_the_simulation_and_per_namespace_if_told_so() -> None:
    fleet = Fleet(pins=Pins(gpu_util=95.0, waiting=12.0))
    fleet.see([pod("a"), PodSeen("other", "b", "gpu-0", ready=True)], NODES)
    fleet.pins_by_namespace["other"] = Pins(gpu_util=5.0)

    assert busy(fleet, "gpu-0") == {"0": 95.0, "1": 5.0}
    assert b'vllm:num_requests_waiting{engine="0",model_name="Qwen/Qwen3-8B"} 12.0' in (fleet.vllm("llm", "a") or b"")
    assert b'vllm:num_requests_waiting{engine="0",model_name="Qwen/Qwen3-8B"} 0.0' in (fleet.vllm("other", "b") or b"")
