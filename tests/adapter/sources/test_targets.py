"""What is scraped: pods by selector and port, fixed addresses, and the labels that rows get from them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapter import selector
from adapter.sources import targets
from adapter.sources.targets import Page, Target
from adapter.workload import Inventory, Pod


def pod(name: str, *, namespace: str = "llm", ip: str = "10.0.0.1", app: str = "vllm", **more: object) -> Pod:
    return Pod(namespace=namespace, name=name, uid=f"uid-{name}", labels={"app": app}, ip=ip, **more)  # type: ignore[arg-type]


def urls(pods: list[Pod], *, namespaces: tuple[str, ...] = (), port: int | str = 8000, page: Page | None = None) -> list[str]:
    inventory = Inventory()
    for each in pods:
        inventory.put(each)
    wanted = selector.parse("app=vllm")
    found = targets.pod_targets(inventory, page or Page(), namespaces=namespaces, wanted=wanted, port=port)
    return [target.url for target in found()]


def test_only_pods_that_match_and_have_an_address_are_targets() -> None:
    pods = [pod("a"), pod("b", ip=""), pod("c", app="other"), pod("d", namespace="batch", ip="10.0.0.4")]

    assert urls(pods) == ["http://10.0.0.1:8000/metrics", "http://10.0.0.4:8000/metrics"]
    assert urls(pods, namespaces=("batch",)) == ["http://10.0.0.4:8000/metrics"]


def test_a_port_by_name_is_each_pods_own_and_pods_without_it_are_left_out() -> None:
    pods = [pod("a", ports=(("http", 8000), ("metrics", 9100))), pod("b", ports=(("http", 8000),), ip="10.0.0.2")]

    assert urls(pods, port="metrics") == ["http://10.0.0.1:9100/metrics"]


def test_an_ipv6_address_stands_in_brackets() -> None:
    assert urls([pod("a", ip="fd00::1")], page=Page(scheme="https", path="/prometheus/metrics")) == [
        "https://[fd00::1]:8000/prometheus/metrics"
    ]


def test_a_pods_rows_are_labelled_with_where_it_is() -> None:
    inventory = Inventory()
    inventory.put(pod("a", node="n1"))
    inventory.put(pod("b", ip="10.0.0.2"))

    one, two = targets.pod_targets(inventory, Page(), namespaces=(), wanted=selector.parse(""), port=8000)()

    assert one.labels == {"instance": "10.0.0.1:8000", "namespace": "llm", "pod": "a", "node": "n1"}
    assert two.labels == {"instance": "10.0.0.2:8000", "namespace": "llm", "pod": "b"}
    assert (one.name, two.name) == ("llm/a", "llm/b")


def test_targets_follow_the_pods_and_an_unchanged_pod_stays_the_same_target() -> None:
    inventory = Inventory()
    inventory.put(pod("a"))
    inventory.put(pod("b", ip="10.0.0.2"))
    found = targets.pod_targets(inventory, Page(), namespaces=(), wanted=selector.parse(""), port=8000)
    before = found()

    inventory.remove("llm", "b")
    inventory.put(pod("c", ip="10.0.0.3"))
    after = found()

    assert [target.name for target in after] == ["llm/a", "llm/c"]
    assert after[0] is before[0]


def test_static_targets_are_addresses_or_whole_urls() -> None:
    found = targets.static_targets(["10.0.0.1:9400", "https://router:9090/custom"], Page(path="/metrics"))()

    assert [target.url for target in found] == ["http://10.0.0.1:9400/metrics", "https://router:9090/custom"]
    assert [target.labels["instance"] for target in found] == ["10.0.0.1:9400", "router:9090"]
    assert found[1].name == "router:9090"


@pytest.mark.parametrize(
    "url", ["", "http://", "ftp://a/b", "a:1/metrics", "http://a:99999/", "http://me:pw@a/metrics", "http://token@a/"]
)
def test_what_is_no_page_or_holds_credentials_is_refused(url: str) -> None:
    with pytest.raises(ValueError, match=r"URL|[Pp]ort") as caught:
        Target(url)

    assert "pw" not in str(caught.value)


# --- labels of rows, as Prometheus attaches them with honor_labels: false ---


@pytest.mark.parametrize(
    ("page", "merged"),
    [
        ({}, {"pod": "exporter", "instance": "i"}),
        ({"gpu": "0"}, {"gpu": "0", "pod": "exporter", "instance": "i"}),
        ({"pod": "web"}, {"exported_pod": "web", "pod": "exporter", "instance": "i"}),
        ({"pod": ""}, {"pod": "exporter", "instance": "i"}),
        ({"gpu": "", "pod": "web"}, {"exported_pod": "web", "pod": "exporter", "instance": "i"}),
        (
            {"pod": "web", "exported_pod": "older"},
            {"exported_exported_pod": "web", "exported_pod": "older", "pod": "exporter", "instance": "i"},
        ),
        ({"exported_pod": "older"}, {"exported_pod": "older", "pod": "exporter", "instance": "i"}),
    ],
)
def test_a_targets_labels_win_and_the_pages_own_move_aside(page: dict[str, str], merged: dict[str, str]) -> None:
    assert targets.attach({"pod": "exporter", "instance": "i", "node": ""})(page) == merged


@given(
    st.dictionaries(st.sampled_from(("pod", "exported_pod", "exported_exported_pod", "gpu")), st.text(max_size=2)),
    st.dictionaries(st.sampled_from(("pod", "exported_pod", "node")), st.text(max_size=2)),
)
def test_attaching_loses_no_value_and_keeps_no_empty_label(page: dict[str, str], target: dict[str, str]) -> None:
    merged = targets.attach(target)(page)

    assert sorted(merged.values()) == sorted(value for value in (*page.values(), *target.values()) if value)
    assert {label: merged[label] for label in target if target[label]} == {label: value for label, value in target.items() if value}
