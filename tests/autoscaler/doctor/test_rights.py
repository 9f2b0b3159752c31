"""The rights that the doctor asks about are those that the shipped roles give: no more, and no fewer."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from autoscaler.doctor import rights
from autoscaler.doctor.rights import Right

BASE = Path(__file__).parents[3] / "manifests" / "base"
#: Rights that one of many names stands for, or that only an overlay's registration needs.
_SHARDS = "leadtime-memory-"
_EXTERNAL = "v1beta1.external.metrics.k8s.io"
#: What a role of the cluster's own gives, which is not in our manifests.
_DELEGATOR = (
    Right("create", "authentication.k8s.io", "tokenreviews"),
    Right("create", "authorization.k8s.io", "subjectaccessreviews"),
)


def granted(folder: str, roles: tuple[str, ...]) -> Iterator[Right]:
    """Yield every right that the roles of these names give in *folder*."""
    for file in sorted((BASE / folder).glob("rbac*.yaml")):
        for document in yaml.safe_load_all(file.read_text()):
            if document and document["kind"] in {"Role", "ClusterRole"} and document["metadata"]["name"] in roles:
                for rule in document["rules"]:
                    yield from _of(rule, document["metadata"].get("namespace", ""))


def _of(rule: Mapping[str, Any], namespace: str) -> Iterator[Right]:
    for verb in rule["verbs"]:
        for group in rule["apiGroups"]:
            for resource in rule["resources"]:
                for name in rule.get("resourceNames", [""]):
                    if not name.startswith(_SHARDS) or name == f"{_SHARDS}0":
                        yield Right(verb, group, resource, namespace, name)


def test_the_controllers_rights_are_those_of_its_roles() -> None:
    roles = ("leadtime-autoscaler-read", "leadtime-autoscaler-report", "leadtime-autoscaler-act", "leadtime-autoscaler")

    assert {*granted("autoscaler", roles), *_DELEGATOR} == set(rights.autoscaler("leadtime", acts=True))


def test_a_controller_that_recommends_needs_no_right_to_act() -> None:
    acting = set(rights.autoscaler("leadtime", acts=True)) - set(rights.autoscaler("leadtime", acts=False))

    assert acting == set(rights.acting()) == set(granted("autoscaler", ("leadtime-autoscaler-act",)))


def test_the_adapters_rights_are_those_of_its_roles() -> None:
    shipped = {right for right in granted("adapter", ("leadtime-adapter",)) if right.name != _EXTERNAL}
    authentication = Right("get", "", "configmaps", "kube-system", "extension-apiserver-authentication")

    assert {*shipped, *_DELEGATOR, authentication} == set(rights.adapter("leadtime", scraped=("",)))


@pytest.mark.parametrize(
    ("right", "words"),
    [
        (Right("list", "", "pods"), "list pods in all namespaces"),
        (Right("patch", "apps", "deployments/scale"), "patch deployments/scale.apps in all namespaces"),
        (Right("get", "", "secrets", "leadtime", "tls"), "get secrets tls in namespace leadtime"),
        (Right("get", "apiregistration.k8s.io", "apiservices", name="v1.x"), "get apiservices.apiregistration.k8s.io v1.x"),
    ],
)
def test_a_right_reads_as_a_person_would_say_it(right: Right, words: str) -> None:
    assert str(right) == words
