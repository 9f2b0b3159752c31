"""What is wrong with the series of GPUs, and with how often they are read and scraped."""

import pytest

from autoscaler.doctor import exporters
from autoscaler.doctor.diagnosis import diagnose
from autoscaler.doctor.finding import Finding
from autoscaler.doctor.seen import Exporter, Series
from tests.autoscaler.doctor import cases


def series(plain: int = 8, exported: int = 0, bare: int = 0, twice: int = 0, **intervals_s: float) -> Series:
    return Series(plain=plain, exported=exported, bare=bare, twice=twice, twice_by=("a", "b"), scrape_intervals_s=intervals_s)


def of(found: Series, *exporting: Exporter) -> tuple[Finding, ...]:
    return diagnose(cases.healthy(series=found, exporters=exporting))


def exporter(interval_s: float, *, told: bool = True) -> Exporter:
    return Exporter(name="gpu-operator/nvidia-dcgm-exporter", interval_s=interval_s, told=told)


@pytest.mark.parametrize(
    ("found", "check"),
    [
        (series(plain=0), "gpu-series-missing"),
        (series(plain=0, bare=8), "gpu-labels-missing"),
        (series(plain=4, exported=4), "gpu-labels-mixed"),
        (series(plain=0, exported=8), "gpu-labels-exported"),
        (series(twice=8), "gpu-series-twice"),
    ],
)
def test_each_style_of_labels_is_told_apart(found: Series, check: str) -> None:
    assert cases.only(of(found)).check == check


def test_idle_gpus_have_no_pod_and_that_is_well() -> None:
    assert of(series(plain=4, bare=4)) == ()


def test_an_exporter_that_reads_less_often_than_it_is_scraped_is_told_the_interval_to_set() -> None:
    found = cases.only(of(series(dcgm=5.0), exporter(30.0, told=False)))

    assert found.check == "exporter-slower-than-scrape"
    assert "its default" in found.says
    assert "DCGM_EXPORTER_INTERVAL=5000 " in found.fix


def test_a_scrape_after_which_values_no_longer_count_is_an_error() -> None:
    # 30 s until the exporter reads and 61 s until it is scraped are past the 90 s for which a value counts.
    assert cases.only(of(series(dcgm=61.0), exporter(30.0))).check == "scrape-too-slow"
    assert of(series(dcgm=60.0), exporter(30.0)) == ()


def daemon_set(**container: object) -> cases.Document:
    metadata = {"name": "dcgm", "namespace": "gpu"}
    image = "nvcr.io/nvidia/k8s/dcgm-exporter:4"
    return {"metadata": metadata, "spec": {"template": {"spec": {"containers": [{"name": "main", "image": image, **container}]}}}}


@pytest.mark.parametrize(
    ("container", "interval_s", "told"),
    [
        ({}, 30.0, False),
        ({"env": [{"name": "DCGM_EXPORTER_INTERVAL", "value": "5000"}]}, 5.0, True),
        ({"args": ["-f", "x.csv", "-c", "1000"]}, 1.0, True),
        ({"args": ["--collect-interval=2000"], "env": [{"name": "DCGM_EXPORTER_INTERVAL", "value": "5000"}]}, 2.0, True),
        ({"env": [{"name": "DCGM_EXPORTER_INTERVAL", "value": "soon"}]}, 30.0, False),
    ],
)
def test_how_often_an_exporter_reads_is_what_it_is_told(container: cases.Document, interval_s: float, told: bool) -> None:
    assert exporters.of([daemon_set(**container)]) == (Exporter(name="gpu/dcgm", interval_s=interval_s, told=told),)


def test_what_is_no_exporter_is_left_out() -> None:
    assert exporters.of([daemon_set(image="registry/node-exporter:1")]) == ()
