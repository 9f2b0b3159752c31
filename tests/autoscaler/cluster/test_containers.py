"""How many GPUs a pod holds."""

import msgspec
import pytest

from autoscaler.cluster.containers import PodSpec


def spec(*containers: dict[str, object], init: tuple[dict[str, object], ...] = ()) -> PodSpec:
    return msgspec.convert({"containers": list(containers), "initContainers": list(init)}, PodSpec)


def container(restart: str = "", **limits: object) -> dict[str, object]:
    amounts = {name.replace("_", "/"): amount for name, amount in limits.items()}
    return {"name": "c", "restartPolicy": restart, "resources": {"limits": amounts}}


def test_the_gpus_of_all_containers_add_up_whoever_made_them() -> None:
    assert spec(container(**{"nvidia.com_gpu": "2", "cpu": "4"}), container(**{"amd.com_gpu": "1"})).gpus == 3


def test_a_sidecar_holds_its_gpus_beside_the_others() -> None:
    assert spec(container(**{"nvidia.com_gpu": "1"}), init=(container("Always", **{"nvidia.com_gpu": "1"}),)).gpus == 2


def test_what_runs_before_the_containers_holds_its_gpus_alone() -> None:
    # It has 4 to itself, and is gone when the container takes 1: a node needs 4 free.
    assert spec(container(**{"nvidia.com_gpu": "1"}), init=(container(**{"nvidia.com_gpu": "4"}),)).gpus == 4


def test_requests_stand_in_for_limits_that_are_not_written() -> None:
    assert spec({"name": "c", "resources": {"requests": {"nvidia.com/gpu": 2}}}).gpus == 2


@pytest.mark.parametrize("resource", ["nvidia.com_mig-1g.10gb", "nvidia.com_gpu.shared", "nvidia.com_gpumem", "memory"])
def test_a_part_of_a_device_is_no_device(resource: str) -> None:
    assert spec(container(**{resource: "1"})).gpus == 0


def test_a_pod_without_resources_holds_none() -> None:
    assert spec({"name": "c"}).gpus == 0
    assert PodSpec().gpus == 0
