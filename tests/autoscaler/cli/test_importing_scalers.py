"""`leadtime import hpa` and `scaledobject`: what comes out can be applied, and what is left behind is told."""

import io
from pathlib import Path

import pytest
import yaml

from adapter import settings
from autoscaler.cli import manifests
from tests.autoscaler.cli.conftest import Leadtime
from tests.autoscaler.resource.test_hpa import CPU
from tests.autoscaler.resource.test_hpa import theirs as an_hpa
from tests.autoscaler.resource.test_scaledobject import prometheus
from tests.autoscaler.resource.test_scaledobject import theirs as a_scaled_object
from tests.manifests import reading


def test_the_example_hpa_becomes_a_scaler_that_is_valid(leadtime: Leadtime) -> None:
    ran = leadtime("import", "hpa", str(reading.ROOT / "examples" / "hpa.yaml"))

    assert ran.status == 0
    found = manifests.scaler(yaml.safe_load(ran.out))
    assert (str(found.key), str(found.policy.mode)) == ("llm-inference/vllm-qwen", "Recommend")
    assert ran.err.splitlines()[-1] == "1 of 1 converted"


def test_a_list_from_kubectl_is_read_from_standard_input(leadtime: Leadtime, monkeypatch: pytest.MonkeyPatch) -> None:
    listed = {"apiVersion": "v1", "kind": "List", "items": [an_hpa(), {"kind": "Service", "metadata": {"name": "web"}}, an_hpa()]}
    monkeypatch.setattr("sys.stdin", io.StringIO(yaml.safe_dump(listed)))

    ran = leadtime("import", "hpa", "-")

    assert ran.status == 0
    assert [document["kind"] for document in yaml.safe_load_all(ran.out)] == ["InferenceScaler"] * 2
    assert "not converted: Service web: is no HorizontalPodAutoscaler" in ran.err


def test_what_is_left_behind_is_status_1_and_told_by_object_and_path(leadtime: Leadtime, tmp_path: Path) -> None:
    file = tmp_path / "hpa.yaml"
    file.write_text(yaml.safe_dump_all([an_hpa(metrics=[CPU]), an_hpa(maxReplicas=0)]))

    ran = leadtime("import", "hpa", str(file))

    assert ran.status == 1
    assert "not converted: llm/qwen: spec.metrics[0]: type Resource is not carried over" in ran.err
    assert "to mend: llm/qwen: spec.maxReplicas: must be greater than or equal to 1" in ran.err
    assert ran.err.splitlines()[-1] == "1 of 2 converted"


def test_a_scaled_object_brings_its_queries_as_comments(leadtime: Leadtime, tmp_path: Path) -> None:
    file = tmp_path / "scaled.yaml"
    file.write_text(yaml.safe_dump(a_scaled_object(prometheus("sum(a)\n  + sum(b)"))))

    ran = leadtime("import", "scaledobject", str(file))

    assert ran.status == 0
    assert manifests.scaler(yaml.safe_load(ran.out)).queries[0].metric == "qwen-0"
    _, _, comments = ran.out.partition("# The adapter's configuration for these metrics:\n")
    rules = settings.parse("".join(line.removeprefix("# ") for line in comments.splitlines(keepends=True))).rules
    assert [rule.metric for rule in rules] == ["qwen-0"]


def test_the_adapters_configuration_can_be_a_file_of_its_own(leadtime: Leadtime, tmp_path: Path) -> None:
    file, config = tmp_path / "scaled.yaml", tmp_path / "adapter.yaml"
    file.write_text(yaml.safe_dump_all([a_scaled_object(), a_scaled_object()]))

    ran = leadtime("import", "scaledobject", str(file), "--adapter-config", str(config))

    assert ran.status == 0
    asked = [manifests.scaler(document).queries[0].metric for document in yaml.safe_load_all(ran.out)]
    assert [rule.metric for rule in settings.load(config).rules] == asked
    assert "#" not in ran.out


def test_where_it_cannot_be_written_nothing_is_printed_and_it_is_status_2(leadtime: Leadtime, tmp_path: Path) -> None:
    file = tmp_path / "scaled.yaml"
    file.write_text(yaml.safe_dump(a_scaled_object()))

    ran = leadtime("import", "scaledobject", str(file), "--adapter-config", "/no/such/x.yaml")

    assert (ran.status, ran.out) == (2, "")
    assert ran.err.splitlines() == ["error: /no/such/x.yaml", "  cannot be written: No such file or directory"]


def test_labels_that_are_left_out_are_told(leadtime: Leadtime, tmp_path: Path) -> None:
    file, told = tmp_path / "hpa.yaml", an_hpa()
    told["metadata"]["labels"] = {"app.kubernetes.io/managed-by": "Helm"}
    file.write_text(yaml.safe_dump(told))

    ran = leadtime("import", "hpa", str(file))

    assert ran.status == 0
    assert "to look at: llm/qwen: metadata.labels: app.kubernetes.io/managed-by left out: " in ran.err


@pytest.mark.parametrize("command", ["hpa", "scaledobject"])
@pytest.mark.parametrize("text", ["", "a: [", "- 1", "kind: Deployment", "words", "a: 2026-13-45"])
def test_a_file_without_such_an_object_is_status_2(leadtime: Leadtime, tmp_path: Path, command: str, text: str) -> None:
    file = tmp_path / "theirs.yaml"
    file.write_text(text)

    ran = leadtime("import", command, str(file))

    assert ran.status == 2
    assert ran.err.startswith(f"error: {file}")
    assert not ran.out
