"""What the authoriser asks, what it remembers, and what it makes of silence."""

import asyncio
from dataclasses import dataclass, field

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adapter.access import Attributes, Identity, NonResourceAttributes, ResourceAttributes
from adapter.api.answers import Terms
from adapter.api.authz import Authorizer, Verdict
from adapter.errors import ApiServerError

pytestmark = pytest.mark.looptime

HPA = Identity("system:serviceaccount:kube-system:horizontal-pod-autoscaler", groups=("system:authenticated",))
ALICE = Identity("alice", "u-1", ("dev", "system:authenticated"), (("scopes", ("a", "b")),))


@dataclass(frozen=True)
class Rule:
    """One RBAC rule of a user, matched as the API server's RBAC authoriser matches."""

    user: str
    resources: tuple[str, ...]
    namespaces: tuple[str, ...] = ("*",)
    names: tuple[str, ...] = ()

    def admits(self, user: str, asked: ResourceAttributes) -> bool:
        combined = f"{asked.resource}/{asked.subresource}" if asked.subresource else asked.resource
        return (
            user == self.user
            and ("*" in self.namespaces or asked.namespace in self.namespaces)
            and any(
                each in ("*", combined) or (asked.subresource != "" and each == f"*/{asked.subresource}") for each in self.resources
            )
            and (not self.names or asked.name in self.names)
        )


@dataclass
class Rbac:
    """An API server that answers SubjectAccessReviews from rules; it can be away."""

    rules: list[Rule] = field(default_factory=list)
    paths: dict[str, set[str]] = field(default_factory=dict)
    away: bool = False
    asked: list[Attributes] = field(default_factory=list)
    askers: list[Identity] = field(default_factory=list)

    async def review(self, identity: Identity, attributes: Attributes) -> tuple[bool, str]:
        self.asked.append(attributes)
        self.askers.append(identity)
        await asyncio.sleep(0.01)
        if self.away:
            raise ApiServerError(0, "connection refused")
        allowed = self.allows(identity.user, attributes)
        return allowed, "by a role" if allowed else "no rule"

    def allows(self, user: str, asked: Attributes) -> bool:
        if isinstance(asked, NonResourceAttributes):
            return asked.path in self.paths.get(user, set())
        return any(rule.admits(user, asked) for rule in self.rules)


def authorizer(rbac: Rbac) -> Authorizer:
    return Authorizer(rbac.review, clock=asyncio.get_running_loop().time)


def pods(metric: str, *, namespace: str = "shop", name: str = "*") -> ResourceAttributes:
    return ResourceAttributes(
        verb="get",
        namespace=namespace,
        group="custom.metrics.k8s.io",
        version="v1beta2",
        resource="pods",
        subresource=metric,
        name=name,
    )


words = st.sampled_from(["pods", "pods/queue", "pods/*", "*", "*/queue", "services", "services/queue"])
rules = st.builds(
    Rule,
    user=st.sampled_from(["alice", "bob"]),
    resources=st.lists(words, min_size=1, max_size=2).map(tuple),
    namespaces=st.sampled_from([("*",), ("shop",), ("other",)]),
    names=st.sampled_from([(), ("*",), ("web-1",)]),
)
reads = st.builds(
    ResourceAttributes,
    verb=st.just("get"),
    namespace=st.sampled_from(["shop", "other"]),
    group=st.just("custom.metrics.k8s.io"),
    version=st.just("v1beta2"),
    resource=st.sampled_from(["pods", "services"]),
    subresource=st.sampled_from(["", "queue", "gpu"]),
    name=st.sampled_from(["*", "web-1"]),
)


@settings(deadline=None)
@given(
    st.lists(rules, max_size=4), st.lists(st.tuples(st.sampled_from([ALICE, Identity("bob"), HPA]), reads), min_size=1, max_size=8)
)
async def test_the_verdict_is_what_the_exact_question_would_have_got(
    given_rules: list[Rule], questions: list[tuple[Identity, ResourceAttributes]]
) -> None:
    rbac = Rbac(given_rules)
    access = authorizer(rbac)

    for identity, attributes in questions:
        verdict = await access.check(identity, attributes)

        exact = ResourceAttributes(
            verb="get",
            namespace=attributes.namespace,
            resource=attributes.resource,
            subresource=attributes.subresource,
            name=attributes.name,
        )
        assert verdict.allowed == rbac.allows(identity.user, exact)
        assert not verdict.fault


async def test_a_reader_of_everything_costs_one_question_for_all_metrics_of_a_namespace() -> None:
    rbac = Rbac([Rule(HPA.user, ("*",))])
    access = authorizer(rbac)

    for metric in range(200):
        assert (await access.check(HPA, pods(f"metric-{metric}"))).allowed

    (question,) = rbac.asked
    assert question == ResourceAttributes(
        verb="get", namespace="shop", group="custom.metrics.k8s.io", version="v1beta2", resource="*"
    )


async def test_a_steady_reader_asks_in_the_background_and_less_than_once_in_twenty_reads() -> None:
    rbac = Rbac([Rule(HPA.user, ("*",))])
    access = authorizer(rbac)
    reads_done = 0

    for _ in range(40):  # ten minutes of 20 HPAs, one namespace, a read every 15 s
        for metric in range(20):
            assert (await access.check(HPA, pods(f"metric-{metric}"))).allowed
            reads_done += 1
        await asyncio.sleep(15)

    assert access.reviews / reads_done < 0.05


async def test_a_right_to_one_metric_does_not_open_the_others() -> None:
    access = authorizer(Rbac([Rule("alice", ("pods/queue",))]))

    assert (await access.check(ALICE, pods("queue"))).allowed
    assert await access.check(ALICE, pods("gpu")) == Verdict(allowed=False, reason="no rule")


async def test_a_right_in_one_namespace_does_not_open_another() -> None:
    access = authorizer(Rbac([Rule("alice", ("*",), namespaces=("shop",))]))

    assert (await access.check(ALICE, pods("queue"))).allowed
    assert not (await access.check(ALICE, pods("queue", namespace="other"))).allowed


async def test_one_user_s_yes_is_not_another_s_and_groups_and_extra_count() -> None:
    rbac = Rbac([Rule("alice", ("*",))])
    access = authorizer(rbac)
    plain = Identity("alice")

    await access.check(ALICE, pods("queue"))
    await access.check(plain, pods("queue"))

    assert not (await access.check(Identity("bob"), pods("queue"))).allowed
    assert rbac.askers[0] == ALICE
    assert rbac.askers[1].groups == ()


async def test_a_warm_reader_with_narrow_rights_does_not_wait_for_the_wide_question_again() -> None:
    rbac = Rbac([Rule("alice", ("pods/queue",))])
    access = authorizer(rbac)
    loop = asyncio.get_running_loop()
    await access.check(ALICE, pods("queue"))

    for _ in range(20):  # 300 s
        await asyncio.sleep(15)
        start = loop.time()
        assert (await access.check(ALICE, pods("queue"))).allowed
        assert loop.time() == start

    assert sum(question.resource == "*" for question in rbac.asked) == 1


async def test_a_reader_without_rights_costs_one_question_each_time_it_is_asked_again() -> None:
    rbac = Rbac()
    access = authorizer(rbac)

    for _ in range(4):  # every 15 s for 45 s: the no to the exact question is too old each time, the wide one's is not
        assert not (await access.check(ALICE, pods("queue"))).allowed
        await asyncio.sleep(15)

    assert [question.resource for question in rbac.asked] == ["*", "pods", "pods", "pods", "pods"]


async def test_masters_and_probes_are_let_through_without_asking() -> None:
    rbac = Rbac(away=True)
    access = authorizer(rbac)
    root = Identity("kubernetes-admin", groups=("system:masters", "system:authenticated"))

    assert (await access.check(root, pods("queue"))).allowed
    for path in ("/healthz", "/livez", "/readyz", "/readyz/pods"):
        assert (await access.check(Identity("system:anonymous"), NonResourceAttributes(verb="get", path=path))).allowed
    assert rbac.asked == []


@pytest.mark.parametrize("path", ["/metrics", "/healthzz", "/readyz-not", "/"])
async def test_any_other_path_is_asked_for(path: str) -> None:
    rbac = Rbac(paths={"alice": {path}})
    access = authorizer(rbac)

    assert (await access.check(ALICE, NonResourceAttributes(verb="get", path=path))).allowed
    assert not (await access.check(HPA, NonResourceAttributes(verb="get", path=path))).allowed
    assert rbac.asked[0] == NonResourceAttributes(verb="get", path=path)


async def test_an_api_server_that_is_away_is_a_fault_and_never_a_yes() -> None:
    rbac = Rbac([Rule("alice", ("*",))], away=True)
    access = authorizer(rbac)

    verdict = await access.check(ALICE, pods("queue"))

    assert verdict == Verdict(allowed=False, reason="Kubernetes API server: no answer: connection refused", fault=True)
    assert len(rbac.asked) == 1  # the exact question would have met the same silence


@pytest.mark.parametrize("rule", [Rule("alice", ("*",)), Rule("alice", ("pods/queue",))], ids=["wide", "exact"])
async def test_decided_readers_go_on_for_five_minutes_without_an_api_server_and_come_back_with_it(rule: Rule) -> None:
    rbac = Rbac([rule])
    access = authorizer(rbac)
    await access.check(ALICE, pods("queue"))
    rbac.away = True

    during = []
    for _ in range(24):  # 360 s
        await asyncio.sleep(15)
        during.append(await access.check(ALICE, pods("queue")))
    rbac.away = False
    await asyncio.sleep(Terms().retry_s)
    after = await access.check(ALICE, pods("queue"))

    assert [verdict.allowed for verdict in during] == [True] * 19 + [False] * 5
    assert all(verdict.fault for verdict in during[19:])
    assert after.allowed
