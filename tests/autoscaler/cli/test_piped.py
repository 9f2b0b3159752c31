"""What is printed where no terminal is: a row is a line, and nothing on it is cut, folded or broken, however long the names are."""

import pytest

from autoscaler.advice.verdict import Advice, Name, Verdict
from autoscaler.cli import recommend_words, terminal
from tests.autoscaler.cli import apiserver
from tests.autoscaler.cli.apiserver import SPEC, STATUS
from tests.autoscaler.cli.conftest import Leadtime

NAMES = ("n" * 32, "qwen-2-5-" + "x" * 50)  # 59 characters
TARGET = "vllm-" + "y" * 54
SIGNALS = "gpu_utilization 71/70, inference_queue_size 12/10, inference_waiting_seconds_p90 2.5/2"
WHY = "there is no Deployment " + "z" * 90


@pytest.fixture(autouse=True)
def _unmeasured(leadtime: Leadtime, monkeypatch: pytest.MonkeyPatch) -> None:
    """Have nothing say how wide anything is."""
    monkeypatch.delenv("COLUMNS")


def fleet(server: apiserver.Server) -> None:
    conditions = [{"type": "Ready", "status": "False", "reason": "TargetNotFound", "message": WHY}]
    for name in NAMES:
        spec = {**SPEC, "scaleTargetRef": {"kind": "Deployment", "name": TARGET}}
        server.scaler(name=name, spec=spec, status={**STATUS, "signals": SIGNALS, "conditions": conditions})


def rows(out: str) -> dict[str, str]:
    """Return the line that begins with each name."""
    return {line.split(" ")[0]: line for line in out.splitlines()}


def test_status_has_a_line_for_each_scaler_and_one_for_each_complaint(server: apiserver.Server, ask: Leadtime) -> None:
    fleet(server)

    out = ask("status", "-o", "wide").out

    for name in NAMES:
        row = rows(out)[f"llm/{name}"]
        assert f"Deployment/{TARGET}" in row
        assert SIGNALS in row
        assert f"llm/{name}: Ready: {WHY}" in out.splitlines()
    assert out.splitlines()[0].endswith("DATA AGE")


def test_a_scaler_closely_has_a_line_for_each_condition(server: apiserver.Server, ask: Leadtime) -> None:
    fleet(server)

    lines = [" ".join(line.split()) for line in ask("status", NAMES[1]).out.splitlines()]

    assert f"Ready False (TargetNotFound) {WHY}" in lines
    assert f"signals {SIGNALS}" in lines


def test_top_has_a_line_for_each_scaler(server: apiserver.Server, ask: Leadtime) -> None:
    fleet(server)

    heading, *lines = ask("top").out.splitlines()

    assert heading.endswith("COST TODAY")
    assert [line.split()[:4] for line in lines] == [[f"llm/{name}", f"Deployment/{TARGET}", "2", "2"] for name in NAMES]


def test_recommend_has_a_line_for_each_deployment(capsys: pytest.CaptureFixture[str]) -> None:
    why = "it would have taken 41 % fewer GPU-hours, and been late no more often than with the replicas that there were"
    verdicts = [Verdict(deployment=Name("llm", name), advice=Advice.SCALE, why=why, notes=(why,)) for name in NAMES]

    recommend_words.show(verdicts, "wide")

    heading, *lines, caution = capsys.readouterr().out.splitlines()
    assert heading.split() == ["DEPLOYMENT", "VERDICT", "WHY", "HOURS", "NOTES"]
    assert [" ".join(line.split()) for line in lines] == [f"llm/{name} scale {why} 0 {why}" for name in NAMES]
    assert caution.startswith("GPU utilisation is all")


def test_what_mends_a_finding_is_one_line_that_can_be_copied(server: apiserver.Server, ask: Leadtime) -> None:
    fleet(server)

    out = ask("doctor").out

    fixes = [line for line in out.splitlines() if line.startswith("  fix: ")]
    whole = sum(line.startswith(("error ", "warning ", "unseen ", "note ")) for line in out.splitlines())
    assert whole == len(fixes) > 0
    assert len(out.splitlines()) <= 3 * whole + 2  # what it is, what it says and what mends it, each on a line
    assert max(map(len, fixes)) > 80


def test_a_console_has_no_edge_where_no_terminal_is_whatever_the_environment_says(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "20")

    terminal.show("word " * 200)
    terminal.console().print("[bold]" + "x" * 5000)

    assert capsys.readouterr().out == f"{'word ' * 200}\n[bold]{'x' * 5000}\n"
