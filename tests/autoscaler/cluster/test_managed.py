"""managedFields as real clusters write them: kubectl, the HPA controller, GitOps and ourselves, all on one Deployment."""

import json
from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from autoscaler.cluster import managed
from autoscaler.seen import Writer

TEMPLATE = {
    "f:template": {
        "f:metadata": {"f:labels": {".": {}, "f:app": {}}},
        "f:spec": {"f:containers": {'k:{"name":"vllm"}': {".": {}, "f:image": {}, "f:resources": {".": {}, "f:limits": {}}}}},
    }
}
COST = {"f:metadata": {"f:annotations": {".": {}, "f:controller.kubernetes.io/pod-deletion-cost": {}}}}


def entry(manager: str, time: str, fields: dict[str, Any], *, subresource: str = "", operation: str = "Update") -> dict[str, Any]:
    written = {"apiVersion": "apps/v1", "time": time, "fieldsType": "FieldsV1", "fieldsV1": fields}
    found = {"manager": manager, "operation": operation, **written}
    return found | ({"subresource": subresource} if subresource else {})


def raw(document: object) -> msgspec.Raw:
    return msgspec.Raw(json.dumps(document).encode())


def unix(text: str) -> float:
    return datetime.strptime(text, "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC).timestamp()


CREATED = entry("kubectl-create", "2026-05-01T08:00:00Z", {"f:spec": {"f:selector": {}, "f:strategy": {}, **TEMPLATE}})
STATUS = entry(
    "kube-controller-manager",
    "2026-05-01T09:30:00Z",
    {"f:status": {"f:replicas": {}, "f:conditions": {".": {}}}},
    subresource="status",
)


def test_who_owns_the_replicas_is_their_writer() -> None:
    scaled = entry("kube-controller-manager", "2026-05-01T09:00:00Z", {"f:spec": {"f:replicas": {}}}, subresource="scale")

    writer = managed.replicas_writer(raw([CREATED, scaled, STATUS]))

    assert writer == Writer(manager="kube-controller-manager", subresource="scale", at=unix("2026-05-01T09:00:00Z"))


def test_the_replicas_of_the_status_are_nobodys_wish() -> None:
    assert managed.replicas_writer(raw([CREATED, STATUS])) is None


def test_of_several_owners_the_newest_wrote_last() -> None:
    applied = entry("argocd-controller", "2026-05-01T08:30:00Z", {"f:spec": {"f:replicas": {}, **TEMPLATE}}, operation="Apply")
    by_hand = entry("kubectl", "2026-05-01T10:00:00Z", {"f:spec": {"f:replicas": {}}}, subresource="scale")

    for order in ([applied, by_hand], [by_hand, applied]):
        writer = managed.replicas_writer(raw(order))
        assert writer is not None
        assert writer.manager == "kubectl"


def test_an_owner_without_a_time_counts_where_there_is_no_other() -> None:
    timeless = {"manager": "before-first-apply", "fieldsV1": {"f:spec": {"f:replicas": {}}}}

    assert managed.replicas_writer(raw([timeless])) == Writer(manager="before-first-apply", at=None)


def test_the_owner_of_the_annotation_set_the_deletion_cost() -> None:
    fields = {"f:metadata": {"f:annotations": {"f:prometheus.io/scrape": {}}}}
    others = entry("kubectl-annotate", "2026-05-01T09:00:00Z", fields)
    theirs = entry("cluster-autoscaler", "2026-05-01T08:00:00Z", COST)

    assert managed.deletion_cost_manager(raw([others, theirs])) == "cluster-autoscaler"
    assert managed.deletion_cost_manager(raw([others])) == ""


@pytest.mark.parametrize("unreadable", [b"", b"null", b"[]", b"{", b'[{"time": "yesterday"}]', b'[{"fieldsV1": 7}]', b'"text"'])
def test_what_cannot_be_read_names_nobody(unreadable: bytes) -> None:
    assert managed.replicas_writer(msgspec.Raw(unreadable)) is None
    assert managed.deletion_cost_manager(msgspec.Raw(unreadable)) == ""


@given(
    st.lists(
        st.tuples(st.sampled_from(["a", "b", "c"]), st.integers(0, 23), st.booleans()),
        max_size=6,
        unique_by=lambda drawn: drawn[1],
    )
)
def test_the_writer_is_the_latest_of_those_who_own_the_field(drawn: list[tuple[str, int, bool]]) -> None:
    entries = [
        entry(manager, f"2026-05-01T{hour:02}:00:00Z", {"f:spec": {"f:replicas": {}} if owns else {"f:paused": {}}})
        for manager, hour, owns in drawn
    ]

    writer = managed.replicas_writer(raw(entries))

    owners = [(hour, manager) for manager, hour, owns in drawn if owns]
    assert (writer.manager if writer is not None else None) == (max(owners)[1] if owners else None)
