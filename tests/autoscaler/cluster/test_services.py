"""How warm pods are kept from requests, by what a workload and its Services offer."""

from typing import Any

import pytest

from autoscaler.cluster.services import Services
from autoscaler.resource.scaler import ROUTED, Mechanism, TargetRef
from autoscaler.seen import Pool, TargetSeen
from tests.autoscaler.cluster.feeding import Feed, Unreachable


def service(name: str, selector: dict[str, str] | None, *, namespace: str = "shop", **labels: str) -> dict[str, Any]:
    metadata = {"name": name, "namespace": namespace, "uid": name, "labels": {f"{key}": value for key, value in labels.items()}}
    return {"metadata": metadata, "spec": {"selector": selector}}


def target(*, selector: str = "app=web", gates: tuple[str, ...] = (), **labels: str) -> TargetSeen:
    return TargetSeen(
        namespace="shop",
        ref=TargetRef("apps/v1", "Deployment", "web"),
        replicas=1,
        selector=selector,
        path="/apis/apps/v1/namespaces/shop/deployments/web",
        template_labels={"app": "web", ROUTED: "true"} | labels,
        template_gates=gates,
    )


ASKS = service("web", {"app": "web", ROUTED: "true"})


def pool(seen: TargetSeen, *services: dict[str, Any]) -> Pool:
    found = Services(kube=Unreachable())
    Feed(found._mirror).replace(*services)
    return found.pool(seen)


def test_a_service_that_asks_for_routed_pods_offers_the_label() -> None:
    elsewhere = service("web", {"app": "web"}, namespace="other")

    assert pool(target(), ASKS, elsewhere, service("db", {"app": "db"}), service("by-hand", None)).mechanism is Mechanism.LABEL


@pytest.mark.parametrize(
    ("seen", "services", "why"),
    [
        (target(), (), "no Service selects the pods of Deployment/web"),
        (target(**{ROUTED: "yes"}), (ASKS,), "the pod template of Deployment/web lacks the label"),
        (target(selector=f"app=web,{ROUTED}=true"), (ASKS,), "a pod with another value would be orphaned"),
        (target(selector=f"app=web,{ROUTED}"), (ASKS,), "a pod with another value would be orphaned"),
        (target(), (ASKS, service("web-metrics", {"app": "web"})), "Service web-metrics selects the pods"),
        (target(), (service("b", {"app": "web"}), service("a", {"app": "web"})), "Service a, b selects the pods"),
    ],
)
def test_without_the_label_plain_replicas_are_all_there_is_and_it_is_said_why(
    seen: TargetSeen, services: tuple[dict[str, Any], ...], why: str
) -> None:
    found = pool(seen, *services)

    assert found.mechanism is Mechanism.HEADROOM
    assert why in found.why
    assert "no readiness gate" in found.why


def test_a_readiness_gate_does_where_the_label_does_not() -> None:
    found = pool(target(gates=("other", ROUTED)))

    assert found.mechanism is Mechanism.GATE
    assert "not by label: no Service selects" in found.why


def test_the_label_is_preferred_to_the_gate() -> None:
    assert pool(target(gates=(ROUTED,)), ASKS).mechanism is Mechanism.LABEL


def test_a_service_that_says_it_carries_no_requests_is_in_nobodys_way() -> None:
    metrics = service("web-metrics", {"app": "web"}, **{ROUTED: "false"})

    assert pool(target(), ASKS, metrics).mechanism is Mechanism.LABEL


def test_an_answer_stands_until_a_service_of_the_namespace_changes() -> None:
    services = Services(kube=Unreachable())
    feed, seen = Feed(services._mirror), target()
    assert services.pool(seen).mechanism is Mechanism.HEADROOM

    feed.put(ASKS)
    first = services.pool(seen)
    feed.put(service("other", {"app": "db"}, namespace="elsewhere"))

    assert first.mechanism is Mechanism.LABEL
    assert services.pool(seen) is first
    feed.remove(ASKS)
    assert services.pool(seen).mechanism is Mechanism.HEADROOM


def test_a_new_template_is_looked_at_anew() -> None:
    services = Services(kube=Unreachable())
    Feed(services._mirror).put(ASKS)
    assert services.pool(target()).mechanism is Mechanism.LABEL

    assert services.pool(target(**{ROUTED: "no"})).mechanism is Mechanism.HEADROOM
