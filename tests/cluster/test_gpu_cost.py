"""What GPUs cost at the shipped prices, on nodes that say what they are as the common clouds' do: in metrics and by kubectl."""

import contextlib
import urllib.request
from collections import Counter
from collections.abc import Iterator, Mapping

import pytest
from prometheus_client.parser import text_string_to_metric_families

from autoscaler.cost import prices
from autoscaler.cost.hardware import Hardware
from tests.cluster import access, hpa, scaled, stack, steering, waiting

POOL = "tests.leadtime.dev/pool"
SHIPPED = stack.MANIFESTS / "examples" / "prices.yaml"
PER_HOUR = prices.load(SHIPPED).per_hour
GKE = {"cloud.google.com/gke-nodepool": "gpus", "cloud.google.com/gke-accelerator": "nvidia-l4"}
EKS = {"node.kubernetes.io/instance-type": "g5.xlarge", "nvidia.com/gpu.product": "NVIDIA-A10G"}
AKS = {"kubernetes.azure.com/agentpool": "gpus", "node.kubernetes.io/instance-type": "Standard_NC24ads_A100_v4"}
#: Nodes of one GPU each: their labels, and what is to be known of them. No cloud's own, the last has no price.
NODES: Mapping[str, tuple[Mapping[str, str], tuple[str, str]]] = {
    "gke-spot": ({**GKE, "cloud.google.com/gke-spot": "true"}, ("nvidia-l4", "spot")),
    "gke": (GKE, ("nvidia-l4", "on-demand")),
    "eks-spot": ({**EKS, "eks.amazonaws.com/capacityType": "SPOT"}, ("NVIDIA-A10G", "spot")),
    "eks": ({**EKS, "eks.amazonaws.com/capacityType": "ON_DEMAND"}, ("NVIDIA-A10G", "on-demand")),
    "aks-spot": ({**AKS, "kubernetes.azure.com/scalesetpriority": "spot"}, ("Standard_NC24ads_A100_v4", "spot")),
    "aks": (AKS, ("Standard_NC24ads_A100_v4", "on-demand")),
    "own": ({"nvidia.com/gpu.product": "NVIDIA-L40S"}, ("NVIDIA-L40S", "unknown")),
    "unpriced": ({"nvidia.com/gpu.product": "NVIDIA-GH200-480GB"}, ("NVIDIA-GH200-480GB", "unknown")),
}
HELD = Counter(kind for _, kind in NODES.values())

Samples = Mapping[str, Mapping[tuple[str, str, str], float]]


@pytest.fixture(scope="module")
def target(cluster: access.Cluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[scaled.Scaled]:
    """Yield a target with a pod on each of the nodes, under a controller that knows the shipped prices."""
    with contextlib.ExitStack() as life:
        for name, (labels, _) in NODES.items():
            life.callback(cluster.kubectl, "delete", "node", name, "--ignore-not-found")
            cluster.add_node(name, gpus=1, labels={**labels, POOL: "priced"})
        namespace = life.enter_context(cluster.namespace("cost"))
        folder = tmp_path_factory.mktemp("gpu-cost")
        arguments = (f"--prices={SHIPPED}",)
        world = life.enter_context(steering.world(cluster, folder, nodes=tuple(NODES), arguments=arguments))
        spec = {"template": {"spec": {"nodeSelector": {POOL: "priced"}}}}
        found = scaled.start(world, namespace, replicas=len(NODES), spec=spec)
        found.apply({"minReplicas": len(NODES), "warmPool": None, "idle": None})
        found.until_condition("Ready", "True")
        yield found


def read(target: scaled.Scaled) -> Samples:
    """Return the controller's samples of GPUs and money by name, each by state or currency, product and capacity."""
    request = urllib.request.Request(
        f"https://127.0.0.1:{target.world.replicas[0].port}/metrics", headers={"Authorization": f"Bearer {_reader(target)}"}
    )
    with urllib.request.urlopen(request, timeout=10, context=stack.unverified()) as answer:
        text = answer.read().decode()
    found: dict[str, dict[tuple[str, str, str], float]] = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            labels = sample.labels
            if "gpu" in labels and labels.get("scaler", hpa.NAME) == hpa.NAME:
                key = labels.get("state") or labels.get("currency") or "", labels["gpu"], labels["capacity"]
                found.setdefault(sample.name, {})[key] = sample.value
    return found


def _reader(target: scaled.Scaled) -> str:
    """Return the token of an account that the shipped role lets read."""
    name = "leadtime-autoscaler-reader"
    subject = {"kind": "ServiceAccount", "name": "default", "namespace": target.namespace}
    target.world.cluster.apply(
        {
            "apiVersion": "rbac.authorization.k8s.io/v1",
            "kind": "ClusterRoleBinding",
            "metadata": {"name": name, "labels": {"app.kubernetes.io/name": steering.NAME}},
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": name},
            "subjects": [subject],
        }
    )
    return target.world.cluster.service_account_token(target.namespace, "default")


def until_counted(target: scaled.Scaled, seconds: float) -> Samples:
    """Return the samples once the GPU of every node has been held for *seconds*."""

    def counted() -> Samples:
        found = read(target)
        serving = [value for (state, *_), value in found["leadtime_gpu_seconds_total"].items() if state == "serving"]
        assert len(serving) == len(HELD), found
        assert min(serving) >= seconds, found
        return found

    return waiting.until(counted, what=f"every GPU was held for {seconds:g} s", deadline_s=60)


def test_every_node_tells_which_gpu_it_has_and_how_it_was_bought(target: scaled.Scaled) -> None:
    found = until_counted(target, 1.0)

    held = {(gpu, capacity): value for (state, gpu, capacity), value in found["leadtime_gpus"].items() if state == "serving"}
    assert held == HELD
    assert all(value == 0.0 for (state, *_), value in found["leadtime_gpus"].items() if state != "serving")


def test_what_is_held_costs_what_the_shipped_prices_say_and_what_has_no_price_costs_nothing(target: scaled.Scaled) -> None:
    found = until_counted(target, 5.0)

    seconds: Counter[tuple[str, str]] = Counter()
    for (_, gpu, capacity), value in found["leadtime_gpu_seconds_total"].items():
        seconds[gpu, capacity] += value  # type: ignore[assignment]  # a Counter adds up what it is given
    told = {(str(kind.gpu), str(kind.capacity)): price for kind, price in PER_HOUR.items()}
    expected = {("USD", *kind): pytest.approx(held / 3600 * told[kind]) for kind, held in seconds.items() if kind in told}
    assert found["leadtime_cost_total"] == expected
    assert set(HELD) - set(told) == {("NVIDIA-GH200-480GB", "unknown")}


def test_the_prices_themselves_are_told(target: scaled.Scaled) -> None:
    told = {("USD", str(kind.gpu), str(kind.capacity)): price for kind, price in PER_HOUR.items()}

    assert read(target)["leadtime_gpu_hour_price"] == told
    assert Hardware("nvidia-l4") not in PER_HOUR  # bought in a way that nobody said has no price


def test_kubectl_shows_what_is_held_and_what_the_day_has_cost(target: scaled.Scaled) -> None:
    until_counted(target, 40.0)  # so that there is a hundredth of an hour, and a cent
    target.apply({"minReplicas": len(NODES), "maxReplicas": len(NODES) + 1, "warmPool": None, "idle": None})

    def shown() -> dict[str, str]:
        heading, row = target.kubectl("get", "isc", hpa.NAME, "--output=wide").splitlines()
        names = ("GPUS", "GPU-H TODAY", "COST TODAY")
        places = {name: heading.index(name) for name in names}
        found = {name: row[place:].split("  ")[0].strip() for name, place in places.items()}
        assert found["GPU-H TODAY"] not in ("", "0.00", "0"), found
        assert found["COST TODAY"].startswith(">"), found  # the last node has no price
        return found

    found = waiting.until(shown, what="kubectl shows GPU-hours and money", deadline_s=60)
    assert found["GPUS"] == str(len(NODES))
    assert float(found["GPU-H TODAY"]) == pytest.approx(len(NODES) * 40 / 3600, rel=1.0)
    amount, currency = found["COST TODAY"].removeprefix(">").split()
    assert (float(amount) > 0.0, currency) == (True, "USD")
