"""`leadtime adapter`: what the daemon is told, and its configuration checked without it."""

from pathlib import Path

import pytest

from adapter import daemon
from adapter.rules import presets
from tests.autoscaler.cli.conftest import Leadtime

GOOD = "sources: [{name: p, prometheus: {url: 'http://p:9090'}}]\nrules: [{preset: dcgm, only: [gpu_utilization]}]\n"


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> list[daemon.Options]:
    """Return the list that the options of every daemon that is started go into."""
    options: list[daemon.Options] = []

    def main(given: daemon.Options) -> int:
        options.append(given)
        return 3

    monkeypatch.setattr(daemon, "main", main)
    return options


def test_the_daemon_runs_with_the_documented_defaults(
    leadtime: Leadtime, told: list[daemon.Options], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("POD_NAMESPACE", raising=False)
    monkeypatch.delenv("POD_NAME", raising=False)

    ran = leadtime("adapter", "--config", "adapter.yaml")

    assert ran.status == 3, "the daemon's own exit status"
    (options,) = told
    assert options.config == Path("adapter.yaml")
    assert (options.address, options.port, options.service, options.namespace) == ("0.0.0.0", 6443, "leadtime-adapter", "leadtime")
    assert (options.external, options.watch_namespaces, options.drain_s, options.log_format) == (False, (), 10.0, "json")


def test_what_a_pod_is_told_by_its_environment_and_arguments_arrives(
    leadtime: Leadtime, told: list[daemon.Options], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("POD_NAMESPACE", "metrics")
    monkeypatch.setenv("POD_NAME", "adapter-7")

    leadtime(
        "adapter",
        "--config=a.yaml",
        "--external",
        "--watch-namespace=a",
        "--watch-namespace=b",
        "--tls-cert-file=c",
        "--tls-key-file=k",
    )

    (options,) = told
    assert (options.namespace, options.replica, options.external) == ("metrics", "adapter-7", True)
    assert options.watch_namespaces == ("a", "b")
    assert (options.tls_cert_file, options.tls_key_file) == (Path("c"), Path("k"))


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ((), "say which configuration file to use: --config FILE"),
        (("--config=a", "--tls-cert-file=c"), "a certificate needs its key"),
        (("--config=a", "--tls-key-file=k"), "a certificate needs its key"),
        (("--config=a", "--log-format=xml"), "neither json nor console"),
        (("--config=a", "--port=70000"), "'--port'"),
        (("--config=a", "--drain-seconds=-1"), "'--drain-seconds'"),
    ],
)
def test_what_cannot_be_run_is_a_usage_error(
    leadtime: Leadtime, told: list[daemon.Options], arguments: tuple[str, ...], words: str
) -> None:
    ran = leadtime("adapter", *arguments)

    assert ran.status == 2
    assert words in ran.err
    assert not told


def test_a_good_file_is_counted(leadtime: Leadtime, told: list[daemon.Options], tmp_path: Path) -> None:
    file = tmp_path / "adapter.yaml"
    file.write_text(GOOD)

    ran = leadtime("adapter", "check", str(file))

    assert (ran.status, ran.out) == (0, f"{file}: ok; sources: 1, rules: 1, metrics: 1\n")
    assert not told


def test_every_problem_of_a_bad_file_is_told_with_its_line(leadtime: Leadtime, tmp_path: Path) -> None:
    file = tmp_path / "adapter.yaml"
    file.write_text(GOOD.replace("only", "onyl").replace("http://", "//"))

    ran = leadtime("adapter", "check", str(file))

    assert ran.status == 2
    assert [line.partition(":")[0] for line in ran.err.splitlines()[1:]] == [
        "  line 1, sources[0].prometheus.url",
        "  line 2, rules[0].onyl",
    ]


def test_a_file_that_is_not_there_is_told(leadtime: Leadtime, tmp_path: Path) -> None:
    ran = leadtime("adapter", "check", str(tmp_path / "none.yaml"))

    assert ran.status == 2
    assert "cannot be read" in ran.err


def test_the_presets_are_listed_with_a_line_each(leadtime: Leadtime) -> None:
    ran = leadtime("adapter", "presets")

    assert ran.status == 0
    assert [line.split()[0] for line in ran.out.splitlines()] == list(presets.names())
    assert all(presets.describe(name) in ran.out for name in presets.names())


def test_a_presets_metrics_are_listed_with_their_first_series(leadtime: Leadtime) -> None:
    ran = leadtime("adapter", "presets", "dcgm")

    listed = dict(line.split(maxsplit=1) for line in ran.out.splitlines())
    assert list(listed) == list(presets.metrics("dcgm"))
    assert listed["DCGM_FI_DEV_FB_USED"] == "DCGM_FI_DEV_FB_USED"


def test_an_unknown_preset_is_told_with_those_that_there_are(leadtime: Leadtime) -> None:
    ran = leadtime("adapter", "presets", "dgcm")

    assert ran.status == 2
    assert "there is no preset dgcm: dcgm, vllm" in ran.err
