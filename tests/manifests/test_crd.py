"""The CustomResourceDefinition and the example scalers as manifests: listed, and about things that are there."""

import yaml

from adapter import settings
from autoscaler.cli import manifests
from autoscaler.decision.model import DownRule, Idle, WarmPool
from autoscaler.resource.scaler import GROUP, PLURAL
from tests.manifests import reading

SCALERS = {found.file: manifests.scaler(found.document) for found in reading.of_kind("InferenceScaler", "examples")}


def test_the_definition_is_the_only_thing_in_its_folder_and_listed() -> None:
    folder = reading.ROOT / "base" / "crds"

    listed = yaml.safe_load((folder / "kustomization.yaml").read_text())["resources"]

    assert listed == ["inferencescalers.yaml"]
    (definition,) = reading.of_kind("CustomResourceDefinition")
    assert definition.name == f"{PLURAL}.{GROUP}"


def test_the_example_is_the_users_policy() -> None:
    found = SCALERS["examples/scaler.yaml"].policy

    assert [(signal.name, signal.target_milli) for signal in found.signals] == [
        ("DCGM_FI_DEV_GPU_UTIL", 70_000),
        ("inference_queue_size", 10_000),
    ]
    assert (found.min_replicas, found.idle, found.warm_pool) == (0, Idle(replicas=1), WarmPool(min=1, max=2))
    assert (found.scale_down.rule, found.scale_down.band_ratio, found.scale_down.cooldown_s) == (DownRule.BAND, 0.3, 300.0)
    assert (found.behavior.up.window_s, found.behavior.down.window_s) == (60, 300)


def test_the_example_scales_the_example_deployment() -> None:
    (deployment,) = [found for found in reading.of_kind("Deployment", "examples") if found.name == "vllm-qwen"]

    scaler = SCALERS["examples/scaler.yaml"]

    assert (scaler.target.name, scaler.key.namespace) == (deployment.name, deployment.document["metadata"]["namespace"])


def test_every_metric_of_an_example_is_served_by_the_scraping_one() -> None:
    served = {rule.metric for rule in settings.load(reading.ROOT / "examples" / "adapter-scrape.yaml").rules}

    for file, scaler in SCALERS.items():
        assert {query.metric for query in scaler.queries} <= served, file


def test_the_service_that_goes_to_zero_has_a_signal_that_survives_it() -> None:
    scaler = SCALERS["examples/scaler-to-zero.yaml"]

    assert scaler.policy.idle is not None
    assert scaler.policy.idle.zero_after_s == 1800.0
    assert "Object" in {query.source for query in scaler.queries}
    assert scaler.notes == ()
