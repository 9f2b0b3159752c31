"""The command line as a whole: help that a stranger understands, and errors without a traceback."""

from importlib import metadata
from pathlib import Path

import pytest

from adapter import daemon
from adapter.errors import ApiServerError
from tests.autoscaler.cli.conftest import Leadtime


def test_the_version_is_the_distributions(leadtime: Leadtime) -> None:
    ran = leadtime("--version")

    assert (ran.status, ran.out.strip()) == (0, f"leadtime {metadata.version('leadtime')}")


def test_help_says_what_leadtime_is_and_names_every_command(leadtime: Leadtime) -> None:
    ran = leadtime("--help")

    assert ran.status == 0
    assert "Autoscaling for GPU inference on Kubernetes" in ran.out
    for command in ("adapter", "explain", "import", "demo"):
        assert f"\n  {command} " in ran.out


@pytest.mark.parametrize(
    "command", ["adapter", "adapter check", "adapter presets", "explain metric", "import prometheus-adapter", "demo"]
)
def test_every_command_explains_itself_and_its_options(leadtime: Leadtime, command: str) -> None:
    ran = leadtime(*command.split(), "--help")

    assert ran.status == 0
    assert ran.out.startswith(f"Usage: leadtime {command} ")
    options = [line for line in ran.out.splitlines() if line.startswith("  --")]
    assert options
    assert all(len(line.split("  ")) > 2 or len(line) > 30 for line in options), "an option without a word about it"


@pytest.mark.parametrize("arguments", [("adapt",), ("--nonsense",), ("explain", "metrik")])
def test_what_is_no_command_is_a_usage_error(leadtime: Leadtime, arguments: tuple[str, ...]) -> None:
    ran = leadtime(*arguments)

    assert ran.status == 2
    assert "No such" in ran.err


def test_a_wrong_file_is_a_list_of_problems_and_status_2(leadtime: Leadtime, tmp_path: Path) -> None:
    file = tmp_path / "adapter.yaml"
    file.write_text("sources: []\nrules: []\n")

    ran = leadtime("adapter", "check", str(file))

    assert ran.status == 2
    assert ran.err.splitlines() == [
        f"error: {file}",
        "  line 1, sources: must have at least one entry",
        "  line 2, rules: must have at least one entry",
    ]


def test_an_api_server_that_refuses_is_one_line_and_status_1(
    leadtime: Leadtime, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(_: object) -> int:
        raise ApiServerError(403, "forbidden")

    monkeypatch.setattr(daemon, "main", refuse)

    ran = leadtime("adapter", "--config", str(tmp_path / "any.yaml"))

    assert (ran.status, ran.err.strip()) == (1, "error: Kubernetes API server: 403: forbidden")
