"""Who else stands by to scale a target."""

from typing import Any

from autoscaler.cluster.hpas import Hpas
from autoscaler.resource.scaler import TargetRef
from tests.autoscaler.cluster.feeding import Feed, Unreachable

WEB = TargetRef("apps/v1", "Deployment", "web")


def hpa(name: str, ref: TargetRef = WEB, **labels: str) -> dict[str, Any]:
    metadata = {"name": name, "namespace": "shop", "uid": name, "labels": labels}
    target = {"apiVersion": ref.api_version, "kind": ref.kind, "name": ref.name}
    return {"metadata": metadata, "spec": {"scaleTargetRef": target, "maxReplicas": 3}}


def fed(*documents: dict[str, Any]) -> tuple[Hpas, Feed]:
    hpas = Hpas(kube=Unreachable())
    feed = Feed(hpas._mirror)
    feed.replace(*documents)
    return hpas, feed


def test_an_hpa_of_the_same_target_is_named_whatever_version_it_writes() -> None:
    hpas, _ = fed(hpa("web", TargetRef("apps/v1beta1", "Deployment", "web")))

    assert hpas.standing("shop", WEB) == "HorizontalPodAutoscaler/web"


def test_other_targets_have_nobody() -> None:
    hpas, _ = fed(hpa("web"))

    assert hpas.standing("elsewhere", WEB) is None
    assert hpas.standing("shop", WEB._replace(name="db")) is None
    assert hpas.standing("shop", WEB._replace(kind="StatefulSet")) is None
    assert hpas.standing("shop", WEB._replace(api_version="example.dev/v1")) is None


def test_kedas_hpa_is_called_by_the_object_that_its_user_wrote() -> None:
    hpas, _ = fed(hpa("keda-hpa-web", **{"scaledobject.keda.sh/name": "web"}))

    assert hpas.standing("shop", WEB) == "ScaledObject/web (KEDA, by HorizontalPodAutoscaler/keda-hpa-web)"


def test_an_hpa_that_is_gone_or_points_elsewhere_stands_by_no_more() -> None:
    hpas, feed = fed(hpa("a"), hpa("b"))

    feed.put(hpa("a", WEB._replace(name="db")))
    assert hpas.standing("shop", WEB) == "HorizontalPodAutoscaler/b"
    feed.remove(hpa("b"))

    assert hpas.standing("shop", WEB) is None
    assert hpas.standing("shop", WEB._replace(name="db")) == "HorizontalPodAutoscaler/a"
