"""Whose is a row about a GPU: the truth table of exporters, label spellings and ways to share a device."""

from dataclasses import dataclass, field

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapter.metric import ObjectRef, Row
from adapter.rules import attribution
from adapter.rules.attribution import Unattributed
from adapter.rules.model import (
    EXTERNAL_RESOURCE,
    NAMESPACE_RESOURCE,
    ExternalObject,
    NamedObject,
    NamespaceObject,
    PodObject,
)
from tests.adapter.rules.pages import AT, EXPORTER, fixture, gpu, page, pod, scraped

UTIL = "DCGM_FI_DEV_GPU_UTIL"
DEVICES = PodObject(device=True)


@dataclass(frozen=True, kw_only=True)
class Case:
    """A page, and whose values its rows are."""

    text: str
    series: str = UTIL
    values: dict[str, list[float]]  # by pod
    shared: set[str] = field(default_factory=set)
    idle: int = 0
    shared_nodes: frozenset[str] = frozenset()


def multi_gpu() -> str:
    values = [97, 96, 95, 12]
    return page(
        *(gpu(UTIL, value, index, **pod("llama-0")) for index, value in enumerate(values)),
        gpu(UTIL, 40, 4, **pod("qwen-0")),
        gpu(UTIL, 0, 5),
    )


def mig() -> str:
    active = "DCGM_FI_PROF_GR_ENGINE_ACTIVE"
    return page(
        gpu(active, 0.81, 0, GPU_I_PROFILE="3g.40gb", GPU_I_ID="1", **pod("mig-a")),
        gpu(active, 0.35, 0, GPU_I_PROFILE="2g.20gb", GPU_I_ID="3", **pod("mig-b")),
        gpu(active, 0.0, 0, GPU_I_PROFILE="1g.10gb", GPU_I_ID="9"),
    )


def virtual() -> str:
    return page(
        gpu(UTIL, 64, 0),
        *(
            gpu(UTIL, value, 0, **pod(f"tei-{share}", "emb", "tei", pod_uid=f"u{share}", vgpu=str(share)))
            for share, value in enumerate((40, 24, 0))
        ),
    )


def claimed(device: str = "gpu-0", **labels: str) -> str:
    claim = {"dra_claim_name": "c", "dra_claim_namespace": "llm", "dra_driver_name": "gpu.nvidia.com", "dra_pool_name": "n"}
    return page(gpu(UTIL, 77, 0, **pod("dra-1"), **claim, dra_device_name=device, **labels))


CASES = {
    "exclusive GPUs": Case(text=multi_gpu(), values={"llama-0": [97, 96, 95, 12], "qwen-0": [40]}, idle=1),
    "two containers of a pod": Case(
        text=page(gpu(UTIL, 71, 5, **pod("r", "v", "triton")), gpu(UTIL, 3, 6, **pod("r", "v", "sidecar"))),
        values={"r": [71, 3]},
    ),
    "MIG instances": Case(text=mig(), series="DCGM_FI_PROF_GR_ENGINE_ACTIVE", values={"mig-a": [0.81], "mig-b": [0.35]}, idle=1),
    "time-slicing, one pod named": Case(text=page(gpu(UTIL, 64, 0, "ts", **pod("tei-2"))), values={"tei-2": [64]}),
    "time-slicing on a node known for it": Case(
        text=page(gpu(UTIL, 64, 0, "ts", **pod("tei-2"))),
        values={"tei-2": [64]},
        shared={"tei-2"},
        shared_nodes=frozenset({"ts"}),
    ),
    "virtual GPUs": Case(
        text=virtual(),
        values={"tei-0": [40], "tei-1": [24], "tei-2": [0]},
        shared={"tei-0", "tei-1", "tei-2"},
        idle=1,
    ),
    "one device under two pods": Case(
        text=page(gpu(UTIL, 9, 0, **pod("a")), gpu(UTIL, 9, 0, **pod("b")), gpu(UTIL, 5, 1, **pod("c"))),
        values={"a": [9], "b": [9], "c": [5]},
        shared={"a", "b"},
    ),
    "a claimed device": Case(text=claimed(), values={"dra-1": [77]}),
    "a claimed MIG instance, told by its parent": Case(
        text=claimed("gpu-0-mig-1", dra_mig_profile="1g.10gb", dra_mig_device_uuid="MIG-1"),
        values={"dra-1": [77]},
        shared={"dra-1"},
    ),
    "nothing but idle GPUs": Case(text=page(gpu(UTIL, 0, 0), gpu(UTIL, 0, 1)), values={}, idle=2),
}


def old_spelling(text: str) -> str:
    """Return *text* as ``--use-old-namespace`` and older releases write it."""
    for new, old in (("namespace=", "pod_namespace="), ("pod=", "pod_name="), ("container=", "container_name=")):
        text = text.replace(f",{new}", f",{old}")
    return text.replace("UUID=", "uuid=").replace("hostname=", "Hostname=")


@pytest.mark.parametrize("old", [False, True], ids=["new labels", "old labels"])
@pytest.mark.parametrize("honor", [False, True], ids=["honorLabels off", "honorLabels on"])
@pytest.mark.parametrize("case", CASES.values(), ids=CASES.keys())
def test_every_gpu_belongs_to_its_pod_and_an_idle_one_to_nobody(case: Case, honor: bool, old: bool) -> None:
    text = old_spelling(case.text) if old else case.text
    rows = scraped(text, EXPORTER, honor=honor)[case.series]

    (found,) = attribution.attribute(DEVICES, [rows], shared_nodes=case.shared_nodes)

    values: dict[str, list[float]] = {}
    for owner, row in zip(found.owners, rows, strict=True):
        if isinstance(owner, ObjectRef):
            values.setdefault(owner.name, []).append(row.value)
    assert values == case.values
    assert {ref.name for ref in found.shared} == case.shared
    assert sum(found.counts.values()) == case.idle


def test_honoured_labels_make_an_idle_gpu_look_like_the_exporters_and_it_is_told_apart() -> None:
    rows = scraped(multi_gpu(), EXPORTER, honor=True)[UTIL]

    (found,) = attribution.attribute(DEVICES, [rows])

    assert rows[-1].labels["pod"] == "nvidia-dcgm-exporter-abcde"
    assert found.counts == {Unattributed.EXPORTER: 1}


def test_an_exporter_with_a_name_of_its_own_is_known_by_its_container() -> None:
    target = EXPORTER | {"pod": "gpu-metrics-x1", "container": "exporter"}
    rows = scraped(page(gpu(UTIL, 0, 0)), target, honor=True)[UTIL]

    (found,) = attribution.attribute(DEVICES, [rows])

    assert found.owners == [Unattributed.EXPORTER]


def test_whether_labels_are_honoured_is_found_out_for_each_job_by_itself() -> None:
    honoured = scraped(page(gpu(UTIL, 50, 0, **pod("a")), gpu(UTIL, 0, 1)), EXPORTER | {"job": "one"}, honor=True)[UTIL]
    renamed = scraped(page(gpu(UTIL, 60, 0, "other", **pod("b")), gpu(UTIL, 0, 1, "other")), EXPORTER | {"job": "two"})[UTIL]

    (found,) = attribution.attribute(DEVICES, [[*honoured, *renamed]])

    names = [owner.name if isinstance(owner, ObjectRef) else owner for owner in found.owners]
    assert names == ["a", Unattributed.EXPORTER, "b", Unattributed.IDLE]


def test_a_job_that_is_idle_in_one_series_is_recognised_by_another() -> None:
    labelled = scraped(page(gpu(UTIL, 50, 0, **pod("a"))), EXPORTER)[UTIL]
    target = EXPORTER | {"pod": "gpu-metrics-x1", "container": "main"}
    bare = scraped(page(gpu("DCGM_FI_DEV_FB_USED", 4, 0)), target)["DCGM_FI_DEV_FB_USED"]

    _, found = attribution.attribute(DEVICES, [labelled, bare])

    assert found.owners == [Unattributed.IDLE]


def test_an_exporter_without_kubernetes_labels_names_nobody() -> None:
    rows = scraped(page(gpu(UTIL, 50, 0)), {"job": "dcgm", "instance": "n:9400"})[UTIL]

    (found,) = attribution.attribute(DEVICES, [rows])

    assert found.owners == [Unattributed.UNLABELLED]


def test_a_pod_without_its_namespace_is_no_object() -> None:
    (found,) = attribution.attribute(DEVICES, [[Row({"pod": "a", "UUID": "GPU-1"}, 1.0, AT)]])

    assert found.owners == [Unattributed.UNLABELLED]


def test_devices_are_told_apart_by_index_and_node_where_they_have_no_uuid() -> None:
    rows = [
        Row({"gpu": "0", "hostname": "n1", **pod("a")}, 1.0, AT),
        Row({"gpu": "0", "hostname": "n2", **pod("b")}, 1.0, AT),
        Row({"gpu": "0", "Hostname": "n2", **pod("c")}, 1.0, AT),
    ]

    (found,) = attribution.attribute(DEVICES, [rows])

    assert {ref.name for ref in found.shared} == {"b", "c"}


def test_a_pod_row_takes_the_first_pair_of_labels_that_is_whole() -> None:
    rows = [
        Row({"exported_namespace": "a", "exported_pod": "x", "namespace": "b", "pod": "y"}, 1.0, AT),
        Row({"exported_namespace": "", "exported_pod": "x", "namespace": "b", "pod": "y"}, 1.0, AT),
        Row({"pod_namespace": "c", "pod_name": "z"}, 1.0, AT),
        Row({"pod": "alone"}, 1.0, AT),
    ]

    (found,) = attribution.attribute(PodObject(), [rows])

    pods = [ObjectRef("pods", "a", "x"), ObjectRef("pods", "b", "y"), ObjectRef("pods", "c", "z")]
    assert found.owners == [*pods, Unattributed.UNLABELLED]


SERVICE = NamedObject("services", "Service", "v1", "service", "namespace")
NODE = NamedObject("nodes", "Node", "v1", "node", None)


@pytest.mark.parametrize(
    ("objects", "labels", "owner"),
    [
        (SERVICE, {"service": "s", "namespace": "n"}, ObjectRef("services", "n", "s")),
        (SERVICE, {"service": "s"}, Unattributed.UNLABELLED),
        (SERVICE, {"service": "", "namespace": "n"}, Unattributed.UNLABELLED),
        (NODE, {"node": "gpu-1"}, ObjectRef("nodes", "", "gpu-1")),
        (NODE, {}, Unattributed.UNLABELLED),
        (NamespaceObject(), {"namespace": "n"}, ObjectRef(NAMESPACE_RESOURCE, "", "n")),
        (NamespaceObject("team"), {"namespace": "n"}, Unattributed.UNLABELLED),
        (ExternalObject(), {"namespace": "n", "topic": "t"}, ObjectRef(EXTERNAL_RESOURCE, "n", "")),
        (ExternalObject(), {"topic": "t"}, Unattributed.UNLABELLED),
        (ExternalObject(None), {"topic": "t"}, ObjectRef(EXTERNAL_RESOURCE, "", "")),
    ],
)
def test_other_objects_are_named_by_their_labels(objects: object, labels: dict[str, str], owner: object) -> None:
    (found,) = attribution.attribute(objects, [[Row(labels, 1.0, AT)]])  # type: ignore[arg-type]

    assert found.owners == [owner]


def test_the_same_names_give_the_same_instance_and_known_ones_are_taken() -> None:
    known = ObjectRef("pods", "llm", "a")
    refs = attribution.Refs([known])

    assert refs.get("pods", "llm", "a") is known
    assert refs.get("pods", "llm", "b") is refs.get("pods", "llm", "b")


@given(st.permutations(list(range(7))))
def test_the_order_of_rows_decides_nothing(order: list[int]) -> None:
    rows = [*scraped(multi_gpu(), EXPORTER, honor=True)[UTIL], *scraped(page(gpu(UTIL, 1, 0, **pod("z"))), EXPORTER)[UTIL]]
    (straight,) = attribution.attribute(DEVICES, [rows])

    (shuffled,) = attribution.attribute(DEVICES, [[rows[position] for position in order]])

    assert shuffled.shared == straight.shared
    assert list(shuffled.owners) == [straight.owners[position] for position in order]


@pytest.mark.parametrize("honor", [False, True])
def test_a_recorded_node_gives_each_pod_its_gpus(honor: bool) -> None:
    rows = scraped(fixture("dcgm_synthetic_exclusive.prom"), EXPORTER, honor=honor)[UTIL]

    (found,) = attribution.attribute(DEVICES, [rows])

    names = [owner.name if isinstance(owner, ObjectRef) else None for owner in found.owners]
    assert names == ["llama70b-7d4b9c-aaaaa"] * 4 + ["qwen8b-5f6c7d-bbbbb"] + ["resnet-66dd-ccccc"] * 2 + [None]
    assert not found.shared


def test_a_recorded_node_of_an_old_release_names_nobody() -> None:
    rows = scraped(fixture("dcgm_real_t4_old_labels.prom"), {"job": "dcgm", "instance": "n:9400"})[UTIL]

    (found,) = attribution.attribute(DEVICES, [rows])

    assert found.owners == [Unattributed.UNLABELLED]
