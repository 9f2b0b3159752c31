"""`leadtime scaler check`: every problem of an object before a cluster sees it."""

from pathlib import Path

import pytest
import yaml

from tests.autoscaler.cli.conftest import Leadtime
from tests.autoscaler.resource import documents
from tests.manifests import reading


@pytest.mark.parametrize("example", sorted((reading.ROOT / "examples").glob("scaler*.yaml")), ids=lambda path: path.stem)
def test_the_examples_are_in_order(leadtime: Leadtime, example: Path) -> None:
    ran = leadtime("scaler", "check", str(example))

    assert (ran.status, ran.err) == (0, "")
    assert ": ok; Recommend " in ran.out


def test_every_problem_of_every_object_is_told_with_its_path_and_status_2(leadtime: Leadtime, tmp_path: Path) -> None:
    file = tmp_path / "scalers.yaml"
    bad = [documents.scaler(minReplicas=9, mdoe="Auto"), documents.scaler(), documents.scaler(metrics=[{"type": "Resource"}])]
    file.write_text(yaml.safe_dump_all([*bad, {"kind": "Deployment"}]))

    ran = leadtime("scaler", "check", str(file))

    assert ran.status == 2
    assert ran.err.splitlines()[:3] == [
        f"error: {file}",
        "  llm-inference/qwen: spec.mdoe: is not a known field: check its spelling",
        "  llm-inference/qwen: spec.minReplicas: 9 is above maxReplicas 8: lower the one or raise the other",
    ]
    assert "spec.metrics[0]: type Resource is refused" in ran.err
    assert ran.out.count(": ok; ") == 1


def test_what_is_odd_is_noted_and_no_problem(leadtime: Leadtime, tmp_path: Path) -> None:
    file = tmp_path / "scaler.yaml"
    file.write_text(yaml.safe_dump(documents.scaler(minReplicas=0)))

    ran = leadtime("scaler", "check", str(file))

    assert ran.status == 0
    assert "llm-inference/qwen: to look at: spec.minReplicas: 0 is never reached" in ran.out


def test_a_file_without_a_scaler_is_status_2(leadtime: Leadtime) -> None:
    assert leadtime("scaler", "check", str(reading.ROOT / "examples" / "hpa.yaml")).status == 2


def test_a_time_zone_is_looked_up_among_those_that_there_are(leadtime: Leadtime, tmp_path: Path) -> None:
    file = tmp_path / "scaler.yaml"
    file.write_text(yaml.safe_dump(documents.scaler(schedules=[{**documents.OFFICE, "timeZone": "America/Argentina/Ushuaia"}])))

    assert leadtime("scaler", "check", str(file)).status == 0
