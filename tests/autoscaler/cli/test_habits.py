"""`leadtime status`, `pause`, `resume` and what comes next, against an API server that has some objects."""

import json

import pytest
import yaml

from autoscaler.cli import completion
from tests.autoscaler.cli import apiserver
from tests.autoscaler.cli.apiserver import SPEC, STATUS
from tests.autoscaler.cli.conftest import Leadtime

# ── status ───────────────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_status_shows_every_scaler_and_exits_by_their_readiness(server: apiserver.Server, ask: Leadtime) -> None:
    server.scaler(spec=SPEC, status=STATUS)
    well = ask("status")
    server.scaler("other", "llama", spec=SPEC)
    unknown = ask("status")

    assert well.status == 0
    assert "llm/qwen" in well.out
    assert "1–8" in well.out
    assert unknown.status == 1
    assert [line.split()[0] for line in unknown.out.splitlines()[1:3]] == ["llm/qwen", "other/llama"]


def test_status_of_nothing_says_so(server: apiserver.Server, ask: Leadtime) -> None:
    server.objects[f"{apiserver.ROOT}/inferencescalers"] = {"items": []}

    assert "there is no InferenceScaler here" in ask("status").out


def test_the_namespace_of_ones_context_is_meant_where_none_is_told(server: apiserver.Server, ask: Leadtime) -> None:
    server.scaler(spec=SPEC, status=STATUS)

    assert [ask("status", "qwen", "-o", "name").out, ask("status", "llm/qwen", "-o", "name").out] == [
        "inferencescaler.leadtime.dev/qwen\n"
    ] * 2


@pytest.mark.parametrize("output", ["json", "yaml"])
def test_programs_get_the_object_or_a_list_as_kubectl_gives_them(server: apiserver.Server, ask: Leadtime, output: str) -> None:
    server.scaler(spec=SPEC, status=STATUS)
    read = json.loads if output == "json" else yaml.safe_load

    one, every = read(ask("status", "qwen", "-o", output).out), read(ask("status", "-o", output).out)

    assert (one["kind"], one["metadata"]["name"]) == ("InferenceScaler", "qwen")
    assert (every["kind"], [item["metadata"]["name"] for item in every["items"]]) == ("List", ["qwen"])


@pytest.mark.parametrize(
    "arguments",
    [
        ("status", "-o", "xml"),
        ("status", "-w", "-o", "json"),
        ("status", "a/b/c"),
        ("status", "llm/qwen", "-n", "other"),
        ("top", "--sort", "size"),
        ("boost", "qwen"),
        ("boost", "qwen", "--for", "30m", "--end"),
        ("boost", "qwen", "--for", "10s"),
        ("boost", "qwen", "--for", "2d"),
        ("boost", "qwen", "--for", "soon"),
        ("boost", "qwen", "--end", "--min", "3"),
        ("recommend", "--prometheus", "http://127.0.0.1:1", "--days", "60", "--limit", "200", "--points", "1000"),
        ("doctor", "-o", "yaml"),
    ],
)
def test_what_cannot_be_meant_is_a_usage_error(leadtime: Leadtime, arguments: tuple[str, ...]) -> None:
    ran = leadtime(*arguments)

    assert (ran.status, ran.out) == (2, "")


# ── pause and resume ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_pause_keeps_the_mode_to_go_back_to_and_writes_only_over_what_it_read(server: apiserver.Server, ask: Leadtime) -> None:
    server.scaler(spec={**SPEC, "mode": "Recommend"}, status=STATUS)

    ran = ask("pause", "qwen")

    assert ran.out.startswith("llm/qwen paused; it stays at 2")
    assert server.changed() == {
        "metadata": {"annotations": {"leadtime.dev/mode-before-pause": "Recommend"}, "resourceVersion": "7"},
        "spec": {"mode": "Paused"},
    }


@pytest.mark.parametrize(
    ("before", "mode"), [("Recommend", "Recommend"), ("Auto", "Auto"), ("nonsense", "Recommend"), (None, "Recommend")]
)
def test_resume_goes_back(server: apiserver.Server, ask: Leadtime, before: str | None, mode: str) -> None:
    annotations = {} if before is None else {"leadtime.dev/mode-before-pause": before}
    server.scaler(spec={**SPEC, "mode": "Paused"}, metadata={"annotations": annotations})

    ran = ask("resume", "qwen")

    assert ran.out == f"llm/qwen resumed in mode {mode}\n"
    assert ("is not known, so it sets nothing" in ran.err) == (before != mode)
    assert server.changed()["spec"] == {"mode": mode}


def test_pausing_twice_and_resuming_what_runs_write_nothing(server: apiserver.Server, ask: Leadtime) -> None:
    server.scaler(spec=SPEC)
    server.scaler(name="still", spec={**SPEC, "mode": "Paused"})

    assert "is not paused: its mode is Auto" in ask("resume", "qwen").out
    assert "is paused already" in ask("pause", "still").out
    assert server.patched == []


# ── what a server or a shell says ────────────────────────────────────────────────────────────────────────────────────────────


def test_a_servers_words_have_no_power_over_the_terminal(server: apiserver.Server, ask: Leadtime) -> None:
    server.refused.add(f"{apiserver.ROOT}/namespaces/llm/inferencescalers/\x1b[2J")
    server.objects["/evil"] = None

    ran = ask("status", "llm/\x1b[2J")

    assert ran.status == 1
    assert "\x1b" not in ran.err


def test_kubectl_is_told_what_comes_next() -> None:
    assert {"status", "pause", "resume", "boost", "doctor", "recommend", "top"} <= set(completion.candidates([""]))
    assert completion.candidates(["stat"]) == ["status"]
    assert "--for" in completion.candidates(["boost", "--f"])


def test_the_names_of_scalers_come_next_as_they_may_be_written(server: apiserver.Server) -> None:
    server.scaler(spec=SPEC)
    server.scaler("other", "llama", spec=SPEC)
    here = ("--kubeconfig", server.kubeconfig)

    assert completion.candidates(["pause", *here, ""]) == ["llm/qwen", "other/llama", "qwen"]
    assert completion.candidates(["explain", "isc", *here, "oth"]) == ["other/llama"]
    assert completion.candidates(["status", *here, "--namespace", "other", ""]) == ["llama"]


@pytest.mark.parametrize("kubeconfig", ["that which is refused", "/nowhere/at/all"])
def test_a_cluster_that_cannot_be_read_has_no_names_and_no_words_for_a_shell(
    server: apiserver.Server, capfd: pytest.CaptureFixture[str], kubeconfig: str
) -> None:
    server.refused.add(f"{apiserver.ROOT}/inferencescalers")
    file = server.kubeconfig if kubeconfig.startswith("that") else kubeconfig

    assert completion.candidates(["pause", "--kubeconfig", file, ""]) == []
    assert capfd.readouterr() == ("", "")
