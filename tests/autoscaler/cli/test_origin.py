"""Which cluster a person's command reaches, and in which namespace: kubectl's order, in a pod too."""

import json
import os
from pathlib import Path

import pytest

from adapter.kube.official import incluster_config
from autoscaler.cli import origin, reach
from autoscaler.cli.origin import Origin
from tests.autoscaler.cli import apiserver
from tests.autoscaler.cli.apiserver import SPEC, STATUS
from tests.autoscaler.cli.conftest import Leadtime


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return somebody's home, where no kubeconfig is, nor in the environment."""
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.delenv("KUBECONFIG", raising=False)
    return tmp_path / "home"


@pytest.fixture
def pod(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Be in a pod of the namespace ``team``, of a cluster that nobody reaches; return the folder of its service account."""
    account = tmp_path / "serviceaccount"
    account.mkdir()
    for name, text in (("token", "t"), ("namespace", "team\n"), ("ca.crt", "")):
        (account / name).write_text(text)
    monkeypatch.setattr(incluster_config, "SERVICE_TOKEN_FILENAME", str(account / "token"))
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "192.0.2.1")
    monkeypatch.setenv("KUBERNETES_SERVICE_PORT", "443")
    return account


def kubeconfig(path: Path, *contexts: str, current: str | None = None) -> Path:
    """Write one with contexts that have namespaces of the same names."""
    path.parent.mkdir(parents=True, exist_ok=True)
    document = {
        "contexts": [{"name": name, "context": {"cluster": "c", "user": "u", "namespace": name}} for name in contexts],
        "clusters": [{"name": "c", "cluster": {"server": "http://127.0.0.1:1"}}],
        "users": [{"name": "u", "user": {}}],
        **({"current-context": current} if current is not None else {}),
    }
    path.write_text(json.dumps(document))
    return path


# ── in a pod ─────────────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.usefixtures("home", "pod")
def test_the_kubeconfig_of_the_environment_comes_before_the_cluster_around_us(
    leadtime: Leadtime, server: apiserver.Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.scaler(spec=SPEC, status=STATUS)
    monkeypatch.setenv("KUBECONFIG", server.kubeconfig)

    ran = leadtime("status", "qwen", "-o", "name")  # in llm, the namespace of its context

    assert (ran.status, ran.out) == (0, "inferencescaler.leadtime.dev/qwen\n")


@pytest.mark.usefixtures("pod")
def test_ones_own_file_comes_before_the_cluster_around_us(home: Path) -> None:
    own = kubeconfig(home / ".kube" / "config", "mine", current="mine")

    found = origin.find(None, None)

    assert (found, origin.namespace(found)) == (Origin(str(own), None), "mine")


@pytest.mark.usefixtures("home")
def test_without_any_file_cluster_and_namespace_are_those_around_us(pod: Path) -> None:
    found = origin.find(None, None)

    assert (found, origin.namespace(found)) == (Origin(None, None), "team")
    assert reach.named("qwen", None, None, None) == ("team", "qwen")
    (pod / "namespace").unlink()
    assert origin.namespace(found) == "default"


# ── anywhere ─────────────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_the_option_comes_before_the_environment_and_that_before_ones_own_file(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kubeconfig(home / ".kube" / "config", "own", current="own")
    told, theirs = (kubeconfig(tmp_path / name, name, current=name) for name in ("option", "environment"))
    monkeypatch.setenv("KUBECONFIG", str(theirs))

    assert reach.own_namespace(told, None) == "option"
    assert reach.own_namespace(None, None) == "environment"
    monkeypatch.setenv("KUBECONFIG", "")  # as kubectl has it: not set
    assert reach.own_namespace(None, None) == "own"


@pytest.mark.usefixtures("home")
def test_of_several_files_the_first_that_names_a_current_context_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    files = [
        tmp_path / "absent",
        kubeconfig(tmp_path / "silent", "a"),
        kubeconfig(tmp_path / "first", "b", current="b"),
        kubeconfig(tmp_path / "last", "c", current="c"),
    ]
    monkeypatch.setenv("KUBECONFIG", os.pathsep.join(map(str, files)))

    found = origin.find(None, None)

    assert (found.context, origin.namespace(found)) == ("b", "b")
    assert reach.own_namespace(None, "c") == "c"


@pytest.mark.usefixtures("home", "pod")
def test_a_file_that_is_named_and_not_there_is_told_and_nothing_else_is_taken(
    leadtime: Leadtime, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KUBECONFIG", "/no/such/kubeconfig")

    ran = leadtime("status")

    assert (ran.status, ran.out) == (2, "")
    assert ran.err.startswith("error: /no/such/kubeconfig\n  there is no such kubeconfig")
