"""The control plane is a real one: what the rest of the tier takes for granted is shown here."""

import contextlib
import datetime as dt
import http.server
import json
import os
import socket
import ssl
import threading
import urllib.parse
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509

from tests.cluster import access, build, controlplane, processes, prometheus, waiting

GATE = "leadtime.dev/warm"


def pod(name: str, *, node: str | None = None, gate: str | None = None) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name}, "spec": pod_spec(node=node, gate=gate)}


def pod_spec(*, node: str | None = None, gate: str | None = None) -> dict[str, Any]:
    return {
        "containers": [{"name": "server", "image": "vllm", "resources": {"limits": {"nvidia.com/gpu": "1"}}}],
        **({"nodeSelector": {"kubernetes.io/hostname": node}} if node else {}),
        **({"readinessGates": [{"conditionType": gate}]} if gate else {}),
    }


def deployment(name: str, *, startup_s: float) -> dict[str, Any]:
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name},
        "spec": {
            "selector": {"matchLabels": {"app": name}},
            "template": {
                "metadata": {
                    "labels": {"app": name},
                    "annotations": {"sandbox.leadtime.dev/startup-seconds": f"{startup_s:g}"},
                },
                "spec": pod_spec(),
            },
        },
    }


def moment(timestamp: str) -> dt.datetime:
    return dt.datetime.fromisoformat(timestamp)


@pytest.fixture
def node(cluster: access.Cluster) -> Iterator[str]:
    name = f"gpu-{uuid.uuid4().hex[:8]}"
    cluster.add_node(name, gpus=8)
    yield name
    cluster.remove_node(name)


def test_the_api_server_reports_the_version_that_was_built(control_plane: controlplane.ControlPlane) -> None:
    wanted = (build.COMPONENTS / "kubernetes" / "go.mod").read_text()

    version = json.loads(control_plane.kubectl("version", "--output=json"))["serverVersion"]["gitVersion"]

    assert f"k8s.io/kubernetes {version}" in wanted


def test_the_ninth_gpu_pod_of_a_node_with_eight_stays_pending_and_says_why(
    cluster: access.Cluster, namespace: str, node: str
) -> None:
    cluster.apply(*(pod(f"server-{number}", node=node) for number in range(9)), namespace=namespace)

    def pending_alone() -> dict[str, Any] | None:
        pods = cluster.get("pods", f"--namespace={namespace}")["items"]
        running = [each for each in pods if each["status"]["phase"] == "Running"]
        waits = [each for each in pods if access.condition(each, "PodScheduled")]
        return next(
            (each for each in waits if not access.is_true(each, "PodScheduled") and len(running) == 8),
            None,
        )

    left_over = waiting.until(pending_alone, what="eight pods run and one is refused")
    reason = access.condition(left_over, "PodScheduled")

    assert left_over["status"]["phase"] == "Pending"
    assert reason is not None
    assert reason["reason"] == "Unschedulable"
    assert "Insufficient nvidia.com/gpu" in reason["message"]


def test_a_deployments_pod_runs_at_once_and_is_ready_after_its_start_up_time(cluster: access.Cluster, namespace: str) -> None:
    cluster.apply(deployment("slow", startup_s=3), namespace=namespace)

    def only_pod() -> dict[str, Any] | None:
        pods = cluster.get("pods", f"--namespace={namespace}")["items"]
        return pods[0] if pods and pods[0]["status"]["phase"] == "Running" else None

    loading = waiting.until(only_pod, what="the pod runs")
    cluster.kubectl("rollout", "status", "deployment/slow", f"--namespace={namespace}", "--timeout=60s")
    loaded = cluster.get("pod", loading["metadata"]["name"], f"--namespace={namespace}")
    ready = access.condition(loaded, "Ready")

    assert not access.is_true(loading, "Ready")
    assert loading["status"]["containerStatuses"][0]["started"]
    assert ready is not None
    # Both times are cut to whole seconds, so three seconds may read as two.
    assert moment(ready["lastTransitionTime"]) - moment(loaded["status"]["startTime"]) >= dt.timedelta(seconds=2)


def test_a_pod_with_a_readiness_gate_is_ready_only_when_its_owner_says_so(cluster: access.Cluster, namespace: str) -> None:
    cluster.apply(pod("gated", gate=GATE), namespace=namespace)

    def gated() -> dict[str, Any]:
        return cluster.get("pod", "gated", f"--namespace={namespace}")

    waiting.until(lambda: access.is_true(gated(), "ContainersReady"), what="the containers are ready")
    before = access.condition(gated(), "Ready")
    cluster.kubectl(
        "patch",
        "pod/gated",
        f"--namespace={namespace}",
        "--subresource=status",
        "--patch",
        json.dumps({"status": {"conditions": [{"type": GATE, "status": "True"}]}}),
    )

    assert before is not None
    assert before["status"] == "False"
    assert before["reason"] == "ReadinessGatesNotReady"
    waiting.until(lambda: access.is_true(gated(), "Ready"), what="the pod is ready once its gate is passed")


def test_a_jobs_pod_completes_and_a_deleted_pod_is_gone(cluster: access.Cluster, namespace: str) -> None:
    job = {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {"name": "batch"},
        "spec": {"template": {"spec": {**pod_spec(), "restartPolicy": "Never"}}},
    }
    cluster.apply(job, pod("doomed"), namespace=namespace)

    cluster.kubectl("wait", "--for=condition=Complete", "job/batch", f"--namespace={namespace}", "--timeout=30s")
    cluster.kubectl("wait", "--for=condition=Ready", "pod/doomed", f"--namespace={namespace}", "--timeout=30s")
    cluster.kubectl("delete", "pod/doomed", f"--namespace={namespace}", "--timeout=10s")

    with pytest.raises(access.KubectlError, match='pods "doomed" not found'):
        cluster.get("pod", "doomed", f"--namespace={namespace}")


def test_users_and_service_accounts_are_who_their_kubeconfigs_say(control_plane: controlplane.ControlPlane, namespace: str) -> None:
    user = control_plane.user_kubeconfig("ann", ["platform", "on-call"])
    account = control_plane.service_account_kubeconfig(namespace, "default")

    def who_is(kubeconfig: Path) -> dict[str, Any]:
        answer: dict[str, Any] = json.loads(control_plane.kubectl("auth", "whoami", "--output=json", kubeconfig=kubeconfig))[
            "status"
        ]["userInfo"]
        return answer

    assert who_is(user)["username"] == "ann"
    assert {"platform", "on-call"} <= set(who_is(user)["groups"])
    assert who_is(account)["username"] == f"system:serviceaccount:{namespace}:default"
    with pytest.raises(access.KubectlError, match="Forbidden"):
        control_plane.kubectl("get", "nodes", kubeconfig=user)


class EchoingApi(http.server.BaseHTTPRequestHandler):
    """An extension API server that answers with what the aggregator told it about the caller."""

    def do_GET(self) -> None:
        assert isinstance(self.connection, ssl.SSLSocket)
        client = self.connection.getpeercert(binary_form=True)
        assert client is not None
        seen = {
            "user": self.headers["X-Remote-User"],
            "groups": self.headers.get_all("X-Remote-Group"),
            "client": x509.load_der_x509_certificate(client).subject.rfc4514_string(),
        }
        body = json.dumps(seen).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *arguments: object) -> None:  # noqa: A002 the base class named it
        """Say nothing on the terminal."""


class Page(http.server.BaseHTTPRequestHandler):
    """A metrics page with one gauge."""

    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/plain; version=0.0.4")
        self.end_headers()
        self.wfile.write(b'DCGM_FI_DEV_GPU_UTIL{gpu="0"} 95\n')

    def log_message(self, format: str, *arguments: object) -> None:  # noqa: A002 the base class named it
        """Say nothing on the terminal."""


@contextlib.contextmanager
def served(handler: type[http.server.BaseHTTPRequestHandler], *, tls: ssl.SSLContext | None = None) -> Iterator[int]:
    """Serve *handler* on loopback from a thread and yield the port."""
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        if tls is not None:
            server.socket = tls.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
        thread = threading.Thread(target=server.serve_forever, name="served")
        thread.start()
        try:
            yield server.server_address[1]
        finally:
            server.shutdown()
            thread.join()


def test_an_extension_api_on_loopback_is_reached_through_the_aggregator(
    control_plane: controlplane.ControlPlane, namespace: str, tmp_path: Path
) -> None:
    group = "echo.leadtime.dev"
    files = control_plane.authority.issue("echo", sans=[f"echo.{namespace}.svc"], server=True).write(tmp_path, "echo")
    tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=str(control_plane.front_proxy_ca_file))
    tls.verify_mode = ssl.CERT_REQUIRED
    tls.load_cert_chain(files.cert, files.key)
    user = control_plane.user_kubeconfig("ann", ["system:masters"])

    with served(EchoingApi, tls=tls) as port:
        api_service = {
            "apiVersion": "apiregistration.k8s.io/v1",
            "kind": "APIService",
            "metadata": {"name": f"v1.{group}"},
            "spec": {
                "group": group,
                "version": "v1",
                "groupPriorityMinimum": 100,
                "versionPriority": 10,
                "service": {"name": "echo", "namespace": namespace, "port": port},
                "caBundle": control_plane.ca_bundle(),
            },
        }
        control_plane.apply(*control_plane.local_service("echo", namespace, port), api_service)
        try:
            control_plane.kubectl("wait", "--for=condition=Available", f"apiservice/v1.{group}", "--timeout=30s")
            seen = json.loads(control_plane.kubectl("get", "--raw", f"/apis/{group}/v1/anything", kubeconfig=user))
        finally:
            control_plane.kubectl("delete", "apiservice", f"v1.{group}")

    assert seen["user"] == "ann"
    assert "system:masters" in seen["groups"]
    assert seen["client"] == f"CN={controlplane.FRONT_PROXY_NAME}"


def test_stopping_leaves_no_process_and_frees_the_ports(tmp_path: Path) -> None:
    with controlplane.start(tmp_path) as plane:
        port = urllib.parse.urlsplit(plane.server_url).port
        pids = [process.pid for process in plane.all_processes]

    assert port is not None
    for pid in pids:
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)
    with socket.create_server(("127.0.0.1", port)) as listener:
        assert listener.getsockname()[1] == port


def test_a_program_that_does_not_start_is_named_with_the_end_of_its_log(tmp_path: Path) -> None:
    flags = {"kube-apiserver": ["--no-such-flag"]}

    with (
        pytest.raises(processes.ProcessError, match=r"(?s)kube-apiserver exited with status 1; .*unknown flag: --no-such-flag"),
        controlplane.start(tmp_path, flags=flags),
    ):
        pass


def test_prometheus_scrapes_a_page_on_loopback(tmp_path: Path) -> None:
    with served(Page) as port:
        job = {"job_name": "dcgm", "static_configs": [{"targets": [f"127.0.0.1:{port}"]}]}

        with prometheus.start(tmp_path, []) as server:
            before = server.query("DCGM_FI_DEV_GPU_UTIL")
            server.reload([job])
            found = waiting.until(lambda: server.query("DCGM_FI_DEV_GPU_UTIL"), what="the page is scraped")

    assert before == []
    assert [(series["metric"]["gpu"], series["value"][1]) for series in found] == [("0", "95")]
    assert not server.process.running()
