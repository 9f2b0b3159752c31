"""Requests as a fluid: nothing is lost, nothing depends on when one looks, and queues grow and end as arithmetic says."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from autoscaler.simulation import workload, world
from autoscaler.simulation.serving import capacity, fluid

FULL_PER_S = capacity.most_per_s(world.Llm(), 500.0, 120.0)


class Told:
    """A generator whose arrivals are the means themselves, rounded."""

    def poisson(self, per_s: workload.Values) -> workload.Values:
        return per_s.round()


def _service(
    *per_s: float, step_s: int = 10, fleet: world.World | None = None, holds: bool = True, seed: int | None = None
) -> fluid.FluidService:
    rng = Told() if seed is None else np.random.default_rng(seed)
    return fluid.FluidService(workload.Rates("load", step_s, per_s), fleet or world.World(), holds=holds, rng=rng)  # type: ignore[arg-type]


def _inside(service: fluid.FluidService, pods: range) -> float:
    return service.held + sum(service.outstanding(pod) for pod in pods)


def _account(service: fluid.FluidService) -> tuple[float, ...]:
    tally = service.tally
    return tally.came, tally.completed, tally.late, tally.timed_out, tally.refused, tally.killed


# What may happen to a fleet of five pods: (how long later, what, to whom).
EVENTS = st.lists(
    st.tuples(st.floats(0.0, 30.0), st.sampled_from(["add", "withdraw", "remove", "nothing"]), st.integers(0, 4)), max_size=25
)
FLEETS = st.builds(
    world.World,
    engine=st.sampled_from(
        [world.Llm(), world.Llm(step_s=0.03), world.Classic(batch_s=0.3, max_batch=4), world.Classic(exponential=True, batch_s=3.0)]
    ),
    router=st.builds(world.Router, patience_s=st.sampled_from([3.0, 20.0, 60.0]), in_flight_per_pod=st.sampled_from([None, 3, 40])),
)


@settings(max_examples=60)
@given(fleet=FLEETS, events=EVENTS, holds=st.booleans(), seed=st.integers(0, 9))
def test_every_request_is_somewhere_and_no_pod_is_busier_than_it_is_old(
    fleet: world.World, events: list[tuple[float, str, int]], holds: bool, seed: int
) -> None:
    service = _service(3.0, 20.0, 0.0, 12.0, step_s=25, fleet=fleet, holds=holds, seed=seed)
    now = 0.0

    for later_s, what, pod in events:
        now += later_s
        service.advance(now)
        if what != "nothing":
            getattr(service, what)(pod)

        tally = service.tally
        assert tally.came == pytest.approx(tally.completed + tally.failed + _inside(service, range(5)), abs=1e-6)
        assert -1e-9 <= tally.late <= tally.completed + 1e-9
        for gauges in map(service.gauges, range(5)):
            assert min(gauges.waiting, gauges.running, gauges.kv_ratio) >= -1e-9
            assert 0.0 <= gauges.busy_s <= now + 1e-6


@settings(max_examples=30)
@given(fleet=FLEETS, looks=st.lists(st.floats(0.0, 60.0), max_size=40), seed=st.integers(0, 9))
def test_many_small_advances_are_one(fleet: world.World, looks: list[float], seed: int) -> None:
    once, often = (_service(2.0, 15.0, 4.0, step_s=20, fleet=fleet, seed=seed) for _ in range(2))
    for service in (once, often):
        service.add(0)
        service.advance(0.3)
        service.add(1)

    for at in sorted(looks):
        often.advance(max(0.3, at))
        often.gauges(0)
    for service in (once, often):
        service.advance(60.7)
        service.remove(0)
        service.advance(80.0)

    assert _account(often) == _account(once)
    assert often.recent_first_tokens(0.0) == once.recent_first_tokens(0.0)
    assert often.gauges(1) == once.gauges(1)


@given(seed=st.integers(0, 50))
@settings(max_examples=10)
def test_more_pods_never_make_more_requests_late(seed: int) -> None:
    late = []
    for pods in (1, 2, 4):
        service = _service(*[2.0, 9.0, 4.0] * 3, step_s=60, seed=seed)
        for pod in range(pods):
            service.add(pod)
        service.advance(700.0)
        late.append(service.tally.late + service.tally.failed)

    assert late == sorted(late, reverse=True)


def test_time_does_not_go_back() -> None:
    service = _service(1.0)
    service.advance(5.0)

    with pytest.raises(ValueError, match="only moves forward"):
        service.advance(4.9)


def test_without_a_pod_and_without_a_holder_all_are_refused() -> None:
    service = _service(3.0, holds=False)

    service.advance(10.0)

    assert _account(service) == (30.0, 0.0, 0.0, 0.0, 30.0, 0.0)


def test_what_is_held_is_served_by_the_first_pod() -> None:
    service = _service(1.0, 0.0)
    service.advance(5.0)
    held = service.held

    service.add(0)
    service.advance(20.0)

    assert held == 5.0
    # They came at 0.5 s, 1.5 s, …; three of them more than 2 s before there was a pod.
    assert _account(service) == pytest.approx((10.0, 10.0, 3.0, 0.0, 0.0, 0.0))


def test_who_waits_longer_than_its_patience_gives_up() -> None:
    service = _service(1.0, *[0.0] * 9, fleet=world.World(router=world.Router(patience_s=20.0)))

    service.advance(60.0)

    assert _account(service) == (10.0, 0.0, 0.0, 10.0, 0.0, 0.0)


def test_a_pod_that_is_taken_away_takes_its_even_part_along() -> None:
    service = _service(40.0)
    for pod in range(4):
        service.add(pod)
    service.advance(6.0)
    inside = _inside(service, range(4))

    service.remove(2)

    assert service.tally.killed == pytest.approx(inside / 4)
    assert service.outstanding(2) == 0.0
    assert service.outstanding(1) == pytest.approx(inside / 4)


def test_a_withdrawn_pod_finishes_what_it_has_and_gets_no_more() -> None:
    service = _service(8.0, step_s=60)
    service.add(0)
    service.add(1)
    service.advance(30.0)
    before = service.outstanding(0)

    service.withdraw(0)
    service.advance(50.0)

    assert before > 4.0
    assert service.outstanding(0) == 0.0
    assert service.tally.killed == 0.0


def test_a_pod_that_is_given_back_shares_again() -> None:
    service = _service(8.0, step_s=60)
    service.add(0)
    service.add(1)
    service.advance(30.0)
    service.withdraw(0)
    service.advance(32.0)
    apart = service.outstanding(0), service.outstanding(1)

    service.add(0)

    assert apart[0] < apart[1]
    assert service.outstanding(0) == service.outstanding(1) == pytest.approx(sum(apart) / 2)


def test_a_gateway_keeps_what_is_too_much_for_the_pods() -> None:
    service = _service(20.0, fleet=world.World(router=world.Router(in_flight_per_pod=10)))
    service.add(0)

    service.advance(8.0)

    assert service.outstanding(0) == pytest.approx(10.0)
    assert service.held == pytest.approx(service.tally.came - service.tally.completed - 10.0)


def test_a_queue_grows_by_what_is_too_much() -> None:
    # 8/s come and 32 sequences complete 5.747/s, once they run.
    service = _service(8.0, step_s=100)
    service.add(0)
    service.advance(40.0)
    before = service.gauges(0).waiting

    service.advance(60.0)

    assert service.gauges(0).waiting - before == pytest.approx(20 * (8.0 - FULL_PER_S), abs=2.5)
    assert service.gauges(0).running == pytest.approx(32.0)


def test_the_first_token_of_a_lone_request_takes_its_prompt() -> None:
    # One request in 10 s: 8 ms and 500 tokens of 0.05 ms, and as good as no wait.
    service = _service(1.0, *[0.0] * 9, step_s=1)
    service.add(0)
    service.advance(10.0)

    ((first_s, requests),) = service.recent_first_tokens(0.0)

    assert requests == 1.0
    assert first_s == pytest.approx(0.033)
    assert service.recent_first_tokens(2.0) == []


def test_tokens_that_come_too_slowly_are_late_though_the_first_came_in_time() -> None:
    # 4/s on an engine of 20 ms steps: 2.4 s + 0.144 s · b each, b = 4 · (2.4 + 0.144 b) = 22.6, so 46 ms between tokens, 41 without
    # the prompts of others.
    engine = world.Llm(step_s=0.02)
    tight, loose = (
        _service(4.0, step_s=200, fleet=world.World(engine=engine, slo=world.Slo(between_tokens_s=limit_s)))
        for limit_s in (0.045, 0.05)
    )

    for service in (tight, loose):
        service.add(0)
        service.advance(200.0)

    assert tight.tally.late > 0.8 * tight.tally.completed
    assert loose.tally.late == 0.0


def test_the_gpu_of_an_engine_is_not_busy_while_its_host_works() -> None:
    # In overload a step of 32 takes 46.4 ms, 6 of them the host's: 87.1 %.
    service = _service(9.0, step_s=200)
    service.add(0)
    service.advance(100.0)
    before = service.gauges(0).busy_s

    service.advance(200.0)

    assert service.gauges(0).busy_s - before == pytest.approx(100 * (1 - 0.006 / 0.0464), abs=0.1)


def test_a_server_without_batches_is_busy_in_proportion_to_its_load() -> None:
    # 4/s of 0.2 s each, on two pods: 40 %.
    fleet = world.World(engine=world.Classic(exponential=True, batch_s=0.15, item_s=0.05))
    service = _service(4.0, step_s=500, fleet=fleet, seed=1)
    service.add(0)
    service.add(1)

    service.advance(500.0)

    assert service.gauges(0).busy_s == pytest.approx(500 * service.tally.came / 500 * 0.2 / 2, rel=0.02)


def test_the_same_seed_gives_the_same_run() -> None:
    runs = []
    for seed in (1, 1, 2):
        service = _service(3.0, 9.0, step_s=60, seed=seed)
        service.add(0)
        service.advance(150.0)
        runs.append((_account(service), service.recent_first_tokens(0.0)))

    assert runs[0] == runs[1] != runs[2]
