"""The examples: an HPA with the numbers that README speaks of, on metrics that the shipped configuration serves."""

from adapter import settings
from adapter.settings import ScrapeSource
from tests.manifests import reading

HPA = reading.one("HorizontalPodAutoscaler", "examples")
DEPLOYMENT = reading.one("Deployment", "examples")


def test_the_hpa_scales_on_utilisation_at_70_and_on_a_queue_of_10() -> None:
    metrics = {
        each["pods"]["metric"]["name"]: (each["type"], each["pods"]["target"]["type"], each["pods"]["target"]["averageValue"])
        for each in HPA["spec"]["metrics"]
    }

    assert metrics == {
        "DCGM_FI_DEV_GPU_UTIL": ("Pods", "AverageValue", "70"),
        "inference_queue_size": ("Pods", "AverageValue", "10"),
    }


def test_the_hpa_goes_up_by_two_a_minute_and_down_by_one_in_two_after_five() -> None:
    assert HPA["spec"]["behavior"] == {
        "scaleUp": {"stabilizationWindowSeconds": 60, "policies": [{"type": "Pods", "value": 2, "periodSeconds": 60}]},
        "scaleDown": {"stabilizationWindowSeconds": 300, "policies": [{"type": "Pods", "value": 1, "periodSeconds": 120}]},
    }


def test_the_hpa_scales_the_deployment_beside_it() -> None:
    target = HPA["spec"]["scaleTargetRef"]

    assert target == {"apiVersion": "apps/v1", "kind": "Deployment", "name": DEPLOYMENT["metadata"]["name"]}
    assert (
        HPA["metadata"]["namespace"]
        == DEPLOYMENT["metadata"]["namespace"]
        == reading.one("Namespace", "examples")["metadata"]["name"]
    )
    assert HPA["spec"]["minReplicas"] <= DEPLOYMENT["spec"]["replicas"] <= HPA["spec"]["maxReplicas"]


def test_the_deployment_has_a_gpu_a_port_by_name_and_a_readiness_of_its_own() -> None:
    (container,) = DEPLOYMENT["spec"]["template"]["spec"]["containers"]

    assert container["resources"]["limits"]["nvidia.com/gpu"] == 1
    assert container["readinessProbe"]["httpGet"]["port"] == container["ports"][0]["name"]
    assert DEPLOYMENT["spec"]["selector"]["matchLabels"].items() <= DEPLOYMENT["spec"]["template"]["metadata"]["labels"].items()


def test_every_metric_of_the_hpa_is_served_by_the_shipped_configuration_and_by_the_scraping_one() -> None:
    wanted = {each["pods"]["metric"]["name"] for each in HPA["spec"]["metrics"]}
    shipped = settings.parse(next(iter(reading.one("ConfigMap")["data"].values())))

    for read in (shipped, settings.load(reading.ROOT / "examples" / "adapter-scrape.yaml")):
        assert wanted <= {rule.metric for rule in read.rules}


def test_the_scraping_example_finds_the_example_deployments_pods() -> None:
    read = settings.load(reading.ROOT / "examples" / "adapter-scrape.yaml")
    (engines,) = [source for source in read.sources if isinstance(source, ScrapeSource) and source.name == "engines"]
    template = DEPLOYMENT["spec"]["template"]

    assert engines.pods is not None
    assert engines.pods.selector.matches(template["metadata"]["labels"])
    assert engines.pods.port == template["spec"]["containers"][0]["ports"][0]["name"]
