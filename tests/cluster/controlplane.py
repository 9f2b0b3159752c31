"""A real Kubernetes control plane on loopback, without containers: the programs that decide, and none that would run a pod.

etcd, kube-apiserver with its aggregation layer, kube-controller-manager (the real HPA, Deployment, ReplicaSet, garbage
collection controllers), kube-scheduler, and KWOK in place of the kubelets. It is ready in seconds; every certificate is made
afresh, and its authorities stay at hand so that tests can forge, expire and rotate what a real attacker or operator would.

    with controlplane.start(folder) as plane:
        plane.add_node("gpu-1", gpus=8)
        print(plane.kubectl("get", "nodes"))

`python -m tests.cluster.controlplane` keeps one running until Ctrl-C and prints its kubeconfig.
"""

import base64
import contextlib
import signal
import ssl
import sys
import tempfile
import uuid
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.cluster import access, build, kwok, pki, processes

#: What must be built for `start`.
COMPONENTS = ("etcd", "kubernetes", "kwok")

# Both families: the API server takes no loopback address into an EndpointSlice, so Services reach simulated pods by IPv6.
_SERVICE_NETWORKS = "10.96.0.0/16,fd00:10:96::/112"
_FIRST_SERVICE_ADDRESS = "10.96.0.1"
_ISSUER = "https://kubernetes.default.svc.cluster.local"
#: The name that the aggregator's client certificate carries, and the only one that extension API servers are told to allow.
FRONT_PROXY_NAME = "front-proxy-client"


@dataclass(frozen=True, slots=True, kw_only=True)
class ControlPlane(access.Cluster):
    """A cluster whose processes and keys are ours. Stop it by leaving the context of `start`."""

    #: Signs the API server's certificate and the users' certificates.
    authority: pki.Authority
    #: Signs what the aggregator shows to extension API servers (``--requestheader-client-ca-file``).
    front_proxy_authority: pki.Authority
    front_proxy_ca_file: Path
    front_proxy_client: pki.Files
    #: A member of system:masters.
    administrator: pki.Files
    etcd: processes.Process
    apiserver: processes.Process
    controller_manager: processes.Process
    scheduler: processes.Process
    kwok: processes.Process

    @property
    def all_processes(self) -> tuple[processes.Process, ...]:
        """Return every process, in the order in which they were started."""
        return (self.etcd, self.apiserver, self.controller_manager, self.scheduler, self.kwok)

    def user_kubeconfig(self, user: str, groups: Sequence[str] = ()) -> Path:
        """Return a new kubeconfig that acts as *user* in *groups*, by a client certificate."""
        identity = self.authority.issue(user, organisations=groups, client=True)
        return self.write_kubeconfig(f"user-{uuid.uuid4().hex[:8]}", _credentials(identity))


@contextlib.contextmanager
def start(
    folder: Path,
    *,
    hpa_sync_s: float = 1.0,
    hpa_downscale_s: float = 5.0,
    hpa_defaults: bool = False,
    flags: Mapping[str, Sequence[str]] | None = None,
) -> Iterator[ControlPlane]:
    """Run a control plane with its data, keys and logs in *folder*, and yield it once all of its programs are ready.

    The HPA controller looks every *hpa_sync_s*, holds scale-down recommendations for *hpa_downscale_s* where an HPA's own
    ``behavior`` says nothing, and trusts new pods at once; with *hpa_defaults* it keeps the timings that Kubernetes ships (15 s,
    300 s, 30 s). *flags* adds to a program's command line, such as ``{"kube-apiserver": ["--v=4"]}``.

    Raise `build.BuildError` when a program is not built, and `processes.ProcessError`, which names the program and quotes its
    log, when one does not come up. At the end every process is stopped and waited for.
    """
    folder.mkdir(parents=True, exist_ok=True)
    extra = flags or {}
    etcd_port, etcd_peer_port, api_port, manager_port, scheduler_port = processes.free_ports(5)
    server_url = f"https://127.0.0.1:{api_port}"
    authority = pki.Authority.create("leadtime-test-ca")
    ca_file = folder / "ca.crt"
    pki.replace(ca_file, authority.pem)
    front_proxy_authority = pki.Authority.create("leadtime-test-front-proxy-ca")
    front_proxy_ca_file = folder / "front-proxy-ca.crt"
    pki.replace(front_proxy_ca_file, front_proxy_authority.pem)
    front_proxy_client = front_proxy_authority.issue(FRONT_PROXY_NAME, client=True).write(folder, "front-proxy-client")
    serving = authority.issue(
        "kube-apiserver",
        sans=("localhost", "127.0.0.1", _FIRST_SERVICE_ADDRESS, "kubernetes.default.svc"),
        server=True,
    ).write(folder, "serving")
    account_key = pki.signing_key(folder, "service-accounts")
    admin = authority.issue("admin", organisations=("system:masters",), client=True)
    admin_files = admin.write(folder, "admin")

    def kubeconfig(name: str, identity: pki.Identity) -> Path:
        path = folder / f"{name}.kubeconfig"
        path.write_text(access.kubeconfig_document(server_url, authority.pem, _credentials(identity)))
        return path

    def component(name: str) -> Path:
        return kubeconfig(name, authority.issue(f"system:{name}", client=True))

    tls = ssl.create_default_context(cafile=str(ca_file))
    tls.load_cert_chain(admin_files.cert, admin_files.key)

    with contextlib.ExitStack() as running:

        def run(program: str, *arguments: str) -> processes.Process:
            command: list[str | Path] = [build.program(program), *arguments, *extra.get(program, ())]
            process = processes.start(program, command, folder=folder)
            running.callback(process.stop)
            return process

        etcd = run("etcd", *_etcd_flags(folder, etcd_port, etcd_peer_port))
        apiserver = run(
            "kube-apiserver",
            f"--etcd-servers=http://127.0.0.1:{etcd_port}",
            "--bind-address=127.0.0.1",
            "--advertise-address=127.0.0.1",
            f"--secure-port={api_port}",
            f"--tls-cert-file={serving.cert}",
            f"--tls-private-key-file={serving.key}",
            f"--client-ca-file={ca_file}",
            "--authorization-mode=RBAC",
            f"--service-account-issuer={_ISSUER}",
            f"--service-account-key-file={account_key.cert}",
            f"--service-account-signing-key-file={account_key.key}",
            f"--service-cluster-ip-range={_SERVICE_NETWORKS}",
            "--endpoint-reconciler-type=none",
            # An ExternalName service reaches an extension API server on this machine only without endpoint routing.
            "--enable-aggregator-routing=false",
            f"--requestheader-client-ca-file={front_proxy_ca_file}",
            f"--requestheader-allowed-names={FRONT_PROXY_NAME}",
            "--requestheader-username-headers=X-Remote-User",
            "--requestheader-group-headers=X-Remote-Group",
            "--requestheader-extra-headers-prefix=X-Remote-Extra-",
            f"--proxy-client-cert-file={front_proxy_client.cert}",
            f"--proxy-client-key-file={front_proxy_client.key}",
        )
        processes.wait_ready(etcd, f"http://127.0.0.1:{etcd_port}/health")
        processes.wait_ready(apiserver, f"{server_url}/readyz", tls=tls)
        controller_manager = run(
            "kube-controller-manager",
            *_served_on(manager_port, serving, component("kube-controller-manager")),
            # Without credentials of their own the controllers lack the rights that RBAC gives to each.
            "--use-service-account-credentials=true",
            f"--service-account-private-key-file={account_key.key}",
            f"--root-ca-file={ca_file}",
            # One client speaks for a whole simulated fleet; the shipped 20 requests per second would be what we measure.
            "--kube-api-qps=500",
            "--kube-api-burst=1000",
            *(() if hpa_defaults else _hpa_flags(hpa_sync_s, hpa_downscale_s)),
        )
        scheduler = run(
            "kube-scheduler",
            *_served_on(scheduler_port, serving, component("kube-scheduler")),
            "--kube-api-qps=500",
            "--kube-api-burst=1000",
        )
        admin_kubeconfig = kubeconfig("admin", admin)
        simulated = kwok.start(admin_kubeconfig, folder=folder)
        running.callback(simulated.stop)
        processes.wait_ready(controller_manager, f"https://127.0.0.1:{manager_port}/healthz", tls=tls)
        processes.wait_ready(scheduler, f"https://127.0.0.1:{scheduler_port}/readyz", tls=tls)
        yield ControlPlane(
            kubeconfig=admin_kubeconfig,
            server_url=server_url,
            ca_file=ca_file,
            folder=folder,
            authority=authority,
            front_proxy_authority=front_proxy_authority,
            front_proxy_ca_file=front_proxy_ca_file,
            front_proxy_client=front_proxy_client,
            administrator=admin_files,
            etcd=etcd,
            apiserver=apiserver,
            controller_manager=controller_manager,
            scheduler=scheduler,
            kwok=simulated,
        )


def _etcd_flags(folder: Path, client_port: int, peer_port: int) -> list[str]:
    client, peer = f"http://127.0.0.1:{client_port}", f"http://127.0.0.1:{peer_port}"
    return [
        f"--data-dir={folder / 'etcd'}",
        f"--listen-client-urls={client}",
        f"--advertise-client-urls={client}",
        f"--listen-peer-urls={peer}",
        f"--initial-advertise-peer-urls={peer}",
        f"--initial-cluster=default={peer}",
        "--unsafe-no-fsync",
    ]


def _served_on(port: int, serving: pki.Files, kubeconfig: Path) -> list[str]:
    """Return the flags that the controller manager and the scheduler share."""
    return [
        f"--kubeconfig={kubeconfig}",
        f"--authentication-kubeconfig={kubeconfig}",
        f"--authorization-kubeconfig={kubeconfig}",
        "--leader-elect=false",
        "--bind-address=127.0.0.1",
        f"--secure-port={port}",
        f"--tls-cert-file={serving.cert}",
        f"--tls-private-key-file={serving.key}",
    ]


def _hpa_flags(sync_s: float, downscale_s: float) -> list[str]:
    prefix = "--horizontal-pod-autoscaler"
    return [
        f"{prefix}-sync-period={sync_s:g}s",
        f"{prefix}-downscale-stabilization={downscale_s:g}s",
        f"{prefix}-initial-readiness-delay={sync_s:g}s",
        f"{prefix}-cpu-initialization-period={sync_s:g}s",
    ]


def _credentials(identity: pki.Identity) -> dict[str, str]:
    return {
        "client-certificate-data": base64.b64encode(identity.cert_pem).decode(),
        "client-key-data": base64.b64encode(identity.key_pem).decode(),
    }


def main() -> int:
    """Run a control plane with two GPU nodes until Ctrl-C or SIGTERM; return an exit status."""
    if missing := build.missing(COMPONENTS):
        print(f"error: not built: {', '.join(missing)}; run 'make components'", file=sys.stderr)
        return 1
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    with tempfile.TemporaryDirectory(prefix="leadtime-cluster-") as folder:
        try:
            with start(Path(folder)) as plane:
                for name in ("gpu-1", "gpu-2"):
                    plane.add_node(name)
                print(f"ready; in another terminal:\n  export KUBECONFIG={plane.kubeconfig}\nCtrl-C stops it", flush=True)
                signal.pause()
        except processes.ProcessError as error:
            print(f"error: {error}", file=sys.stderr)
            return 1
        except KeyboardInterrupt:
            print("stopped")
    return 0


if __name__ == "__main__":
    sys.exit(main())
