"""What a decision means for each pod: who gets requests, who is kept warm, who goes first."""

import dataclasses
from collections.abc import Iterable, Mapping, Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from autoscaler import actuate
from autoscaler.actuate import Plan
from autoscaler.decision.model import Decision, Rule
from autoscaler.resource.scaler import ROUTED, Mechanism, TargetRef
from autoscaler.seen import PodSeen, Pool, TargetSeen

LABEL = Pool(mechanism=Mechanism.LABEL, why="")
GATE = Pool(mechanism=Mechanism.GATE, why="")
HEADROOM = Pool(mechanism=Mechanism.HEADROOM, why="")
APPS = "apps/v1"
NOW = 1000.0


def decision(serving: int, *, warm: int = 0, current: int = 3) -> Decision:
    return Decision(
        at=NOW, current=current, replicas=serving + warm, serving=serving, act=True, votes=(), trail=(), reason=Rule.DEMAND
    )


def target(replicas: int, kind: str = "Deployment", *, api_version: str = APPS, **options: bool) -> TargetSeen:
    return TargetSeen(
        namespace="llm",
        ref=TargetRef(api_version, kind, "web"),
        replicas=replicas,
        path="/apis/apps/v1/namespaces/llm/deployments/web",
        template_labels={},
        **options,
    )


def pod(
    name: str,
    *,
    at: float = 0.0,
    warm: bool = False,
    ready: bool = True,
    label: str | None = "true",
    gate: bool | None = None,
    cost: str | None = None,
    manager: str = "",
    node: str = "n1",
    running: bool = True,
) -> PodSeen:
    """Return a pod; *at* is when it was created and became ready."""
    if label == "true" and warm:
        label = "false"
    labels = {"app": "web"} if label is None else {"app": "web", ROUTED: label}
    open_ = gate is not False
    return PodSeen(
        namespace="llm",
        name=name,
        uid=f"uid-{name}",
        labels=labels,
        node=node,
        created_at=at,
        running=running,
        ready=ready and open_,
        ready_at=at if ready and open_ else None,
        containers_ready=ready,
        containers_ready_at=at if ready else None,
        gate=gate,
        deletion_cost=cost,
        deletion_cost_manager=manager,
    )


def names(pods: Iterable[PodSeen]) -> list[str]:
    return [each.name for each in pods]


def plan(
    wanted: Decision,
    pods: Sequence[PodSeen],
    *,
    at: TargetSeen | None = None,
    pool: Pool = LABEL,
    loads: Mapping[str, float] = {},
) -> Plan:
    return actuate.plan(wanted, at or target(len(pods)), pods, pool, loads)


# Laws


@st.composite
def fleets(draw: st.DrawFn) -> list[PodSeen]:
    count = draw(st.integers(0, 8))
    made = []
    for number in range(count):
        ready = draw(st.booleans())
        made.append(
            pod(
                f"web-{number}",
                at=draw(st.integers(0, 3)),
                warm=draw(st.booleans()),
                ready=ready,
                node="n1" if ready or draw(st.booleans()) else "",
                cost=draw(st.sampled_from([None, None, "-5", "7", "many"])),
                manager=draw(st.sampled_from(["leadtime", "somebody"])),
            )
        )
    return made


pools = st.sampled_from([LABEL, GATE, HEADROOM])
loads_of = st.dictionaries(st.sampled_from([f"web-{number}" for number in range(8)]), st.floats(0, 10))
kinds = st.sampled_from(["Deployment", "StatefulSet", "InferenceSet"])
targets = st.builds(
    lambda replicas, kind, rolling_out: target(replicas, kind, ordinal=kind == "StatefulSet", rolling_out=rolling_out),
    st.integers(0, 9),
    kinds,
    st.booleans(),
)


def carried_out(pods: Sequence[PodSeen], done: Plan, pool: Pool) -> list[PodSeen]:
    """Return *pods* with what *done* asks for under a label or a gate, the replicas left alone."""
    routed, held = set(names(done.route)), set(names(done.hold))
    found = []
    for each in pods:
        labels, gate = dict(each.labels), each.gate
        if each.name in routed:
            labels[ROUTED] = "true"
            gate = True if gate is not None else None
        if each.name in held and pool.mechanism is Mechanism.LABEL:
            labels[ROUTED] = "false"
        if each.name in held and pool.mechanism is Mechanism.GATE:
            gate = False
        cost = None if each.name in names(done.unmark) else each.deletion_cost
        ready = each.containers_ready and gate is not False
        found.append(dataclasses.replace(each, labels=labels, gate=gate, ready=ready, deletion_cost=cost))
    return found


@given(fleets(), targets, pools, loads_of, st.integers(0, 8), st.integers(0, 3))
def test_no_ready_pod_waits_while_the_load_wants_it(
    pods: list[PodSeen], at: TargetSeen, pool: Pool, loads: dict[str, float], serving: int, warm: int
) -> None:
    wanted = decision(serving, warm=warm)

    done = actuate.plan(wanted, at, pods, pool, loads)

    after = [each for each in carried_out(pods, done, pool) if each.name not in names(_going(wanted, at, pods, done))]
    able = [each for each in after if each.containers_ready]
    serve = [each for each in able if not each.warm(ROUTED)]
    assert len(serve) >= min(serving, len(able))


def _going(wanted: Decision, at: TargetSeen, pods: Sequence[PodSeen], done: Plan) -> Iterable[PodSeen]:
    """Return the pods that a shrink takes away, or that one under way may."""
    if done.victims:
        return done.victims
    return pods if len(pods) > wanted.replicas else ()


@given(fleets(), targets, pools, loads_of, st.integers(0, 8), st.integers(0, 3))
def test_no_pod_is_held_beyond_what_is_to_be_warm_and_none_is_asked_for_two_things(
    pods: list[PodSeen], at: TargetSeen, pool: Pool, loads: dict[str, float], serving: int, warm: int
) -> None:
    done = actuate.plan(decision(serving, warm=warm), at, pods, pool, loads)

    route, hold = set(names(done.route)), set(names(done.hold))
    assert not route & hold
    assert not hold & set(names(done.victims))
    assert len(hold) <= warm
    assert not (set(names(done.unmark)) & set(names(done.victims)))


@given(fleets(), pools, loads_of, st.integers(0, 8), st.integers(0, 3))
def test_what_was_done_once_needs_nothing_more(
    pods: list[PodSeen], pool: Pool, loads: dict[str, float], serving: int, warm: int
) -> None:
    wanted = decision(serving, warm=warm)
    at = target(wanted.replicas)  # the replicas are as decided

    after = carried_out(pods, actuate.plan(wanted, at, pods, pool, loads), pool)
    again = actuate.plan(wanted, at, after, pool, loads)

    assert not again.route
    assert not again.hold
    assert again.scale_to is None


@given(fleets(), targets, loads_of, st.integers(0, 8))
def test_there_are_as_many_victims_as_pods_too_many_and_never_without_a_shrink(
    pods: list[PodSeen], at: TargetSeen, loads: dict[str, float], serving: int
) -> None:
    done = actuate.plan(decision(serving), at, pods, HEADROOM, loads)

    if serving < at.replicas and at.ref.kind == "Deployment":
        assert len(done.victims) == max(0, len(pods) - serving)
    else:
        assert done.victims == ()
    assert done.scale_to == (serving if serving != at.replicas else None)


# Routing


def test_nothing_is_done_about_a_world_that_is_as_decided() -> None:
    done = plan(decision(2, warm=1), [pod("a"), pod("b"), pod("c", warm=True)])

    assert not done
    assert done == Plan()


def test_a_warm_pod_is_promoted_and_the_one_that_has_been_ready_longest_comes_first() -> None:
    pods = [pod("a"), pod("young", warm=True, at=50), pod("old", warm=True, at=10), pod("starting", warm=True, ready=False)]

    done = plan(decision(2, warm=2), pods)

    assert names(done.route) == ["old"]
    assert done.hold == ()


def test_a_starting_pod_takes_the_place_of_the_warm_one_that_is_promoted() -> None:
    pods = [pod("a"), pod("warm", warm=True), pod("starting", ready=False, at=90)]

    done = plan(decision(2, warm=1), pods)

    assert names(done.route) == ["warm"]
    assert names(done.hold) == ["starting"]


def test_what_does_not_exist_yet_is_warm_before_what_does() -> None:
    pods = [pod("a"), pod("warm", warm=True)]

    done = plan(decision(2, warm=1), pods, at=target(2))

    assert names(done.route) == ["warm"]
    assert done.scale_to == 3
    assert done.hold == ()


def test_the_youngest_starting_pod_is_held_back_first_then_the_least_busy_ready_one() -> None:
    pods = [pod("busy"), pod("calm"), pod("early", ready=False, at=10), pod("late", ready=False, at=20)]
    loads = {"busy": 4.0, "calm": 1.0}

    held = [names(plan(decision(4 - warm, warm=warm), pods, loads=loads).hold) for warm in (1, 2, 3)]

    assert held == [["late"], ["early", "late"], ["calm", "early", "late"]]


def test_a_pod_that_says_nothing_counts_as_busier_than_any() -> None:
    done = plan(decision(1, warm=1), [pod("silent"), pod("calm")], loads={"calm": 9.0})

    assert names(done.hold) == ["calm"]


def test_a_pod_that_has_only_just_become_ready_counts_as_idle_until_its_metrics_are_read() -> None:
    pods = [pod("calm"), pod("new", at=NOW - 59)]

    young = plan(decision(1, warm=1), pods, loads={"calm": 0.5})
    older = plan(decision(1, warm=1), [pods[0], pod("new", at=NOW - 60)], loads={"calm": 0.5})

    assert names(young.hold) == ["new"]
    assert names(older.hold) == ["calm"]


def test_a_warm_pod_stands_in_at_once_for_one_that_has_failed() -> None:
    pods = [pod("failed", ready=False), pod("b"), pod("warm", warm=True)]

    done = plan(decision(2, warm=1), pods)

    assert names(done.route) == ["warm"]
    assert names(done.hold) == ["failed"]


def test_a_pod_without_the_label_is_given_it_under_label() -> None:
    done = plan(decision(2), [pod("a"), pod("older", label=None)])

    assert names(done.route) == ["older"]


def test_under_gate_every_pod_is_routed_during_a_roll_out() -> None:
    pods = [pod("a", gate=True), pod("b", gate=False), pod("c", gate=False, ready=False)]

    rolling = plan(decision(1, warm=2), pods, pool=GATE, at=target(3, rolling_out=True))
    after = plan(decision(1, warm=2), pods, pool=GATE)

    assert names(rolling.route) == ["b", "c"]
    assert rolling.hold == ()
    assert after == Plan()


def test_under_label_a_roll_out_keeps_its_warm_pods() -> None:
    pods = [pod("a"), pod("warm", warm=True), pod("surge", ready=False, at=90)]

    done = plan(decision(1, warm=1), pods, at=target(2, rolling_out=True))

    # The surge is not ready: it is the one to hold back, and no pod counts as on its way out.
    assert names(done.route) == ["warm"]
    assert names(done.hold) == ["surge"]


def test_a_pod_older_than_its_templates_gate_cannot_be_held_by_it() -> None:
    done = plan(decision(1, warm=1), [pod("old", gate=None, ready=False), pod("new", gate=True)], pool=GATE)

    assert names(done.hold) == ["new"]


def test_under_headroom_nothing_is_held_and_what_was_held_before_is_let_go() -> None:
    pods = [pod("a"), pod("left", warm=True), pod("shut", gate=False), pod("plain", label=None)]

    done = plan(decision(2, warm=2), pods, pool=HEADROOM)

    assert names(done.route) == ["left", "shut"]
    assert done.hold == ()


# Who goes first


def test_pods_that_are_not_ready_go_first_then_warm_ones_then_the_least_busy_then_the_youngest() -> None:
    pods = [
        pod("busy", at=1),
        pod("calm-old", at=1),
        pod("calm-young", at=2),
        pod("warm", warm=True),
        pod("loading", ready=False),
        pod("pending", ready=False, running=False),
        pod("unplaced", ready=False, running=False, node=""),
    ]
    loads = {"busy": 3.0, "calm-old": 1.0, "calm-young": 1.0}

    done = plan(decision(0), pods, loads=loads)

    assert names(done.victims) == ["unplaced", "pending", "loading", "warm", "calm-young", "calm-old", "busy"]


def test_under_gate_a_loaded_warm_pod_goes_after_one_that_still_loads() -> None:
    pods = [pod("a", gate=True), pod("warm", gate=False), pod("loading", gate=False, ready=False)]

    done = plan(decision(1), pods, pool=GATE)

    assert names(done.victims) == ["loading", "warm"]


def test_a_cost_that_somebody_else_has_set_counts_as_the_replica_set_will_count_it() -> None:
    pods = [
        pod("keep", cost="100", manager="somebody"),
        pod("calm"),
        pod("go", cost="-100", manager="somebody"),
        pod("odd", cost="much", manager="somebody"),
    ]

    done = plan(decision(1), pods, loads={"calm": 1.0, "odd": 2.0})

    assert names(done.victims) == ["go", "calm", "odd"]


def test_a_leftover_mark_of_ours_chooses_nobody_and_is_taken_away_before_the_shrink() -> None:
    pods = [pod("marked", cost="-1", manager="leadtime"), pod("calm")]

    done = plan(decision(1), pods, loads={"marked": 5.0, "calm": 1.0})

    assert names(done.victims) == ["calm"]
    assert names(done.unmark) == ["marked"]


def test_marks_stay_while_the_replica_set_has_yet_to_read_them_and_go_once_it_has() -> None:
    pods = [pod("busy"), pod("marked", cost="-1", manager="leadtime")]

    during = plan(decision(1), pods, at=target(1))
    after = plan(decision(1), pods[1:], at=target(1))

    assert during == Plan()
    assert names(after.unmark) == ["marked"]


def test_who_is_about_to_go_is_not_counted_among_those_that_stay() -> None:
    pods = [pod("a"), pod("b", cost="-1", manager="leadtime"), pod("warm", warm=True)]

    during = plan(decision(2), pods, at=target(2))

    # *b* is marked and on its way out, so that two serve only if the warm one does.
    assert names(during.route) == ["warm"]


@pytest.mark.parametrize(
    ("kind", "ordinal", "words"),
    [("StatefulSet", True, "StatefulSet/web removes the highest ordinal"), ("InferenceSet", False, "does not let anybody choose")],
)
def test_kinds_that_do_not_ask_for_costs_get_none_and_it_is_said(kind: str, ordinal: bool, words: str) -> None:
    done = plan(decision(1), [pod("web-0"), pod("web-1")], at=target(2, kind, ordinal=ordinal))

    assert done.victims == ()
    assert done.scale_to == 1
    assert words in done.note


def test_a_stateful_set_that_loses_its_highest_ordinals_routes_those_that_stay() -> None:
    pods = [pod("web-0", warm=True), pod("web-2"), pod("web-10")]

    done = plan(decision(1), pods, at=target(3, "StatefulSet", ordinal=True))

    assert names(done.route) == ["web-0"]


def test_a_replica_set_of_another_group_is_no_replica_set() -> None:
    done = plan(decision(1), [pod("a"), pod("b")], at=target(2, api_version="example.com/v1"))

    assert done.victims == ()
