"""The `restricted` Pod Security standard, rule by rule: what a pod template would be refused for."""

from collections.abc import Iterator, Mapping
from typing import Any

#: Kinds of volumes that a restricted pod may have.
VOLUMES = {"configMap", "csi", "downwardAPI", "emptyDir", "ephemeral", "image", "persistentVolumeClaim", "projected", "secret"}
PROFILES = {"RuntimeDefault", "Localhost"}
SYSCTLS = {
    "kernel.shm_rmid_forced", "net.ipv4.ip_local_port_range", "net.ipv4.ip_unprivileged_port_start", "net.ipv4.tcp_syncookies",
    "net.ipv4.ping_group_range", "net.ipv4.ip_local_reserved_ports", "net.ipv4.tcp_keepalive_time", "net.ipv4.tcp_fin_timeout",
    "net.ipv4.tcp_keepalive_intvl", "net.ipv4.tcp_keepalive_probes",
}  # fmt: skip
SELINUX_TYPES = {"", "container_t", "container_init_t", "container_kvm_t", "container_engine_t"}


def problems(template: Mapping[str, Any]) -> list[str]:
    """Return every rule of the standard that the pod *template* breaks, as the place and what is wrong there."""
    spec = template["spec"]
    pod = spec.get("securityContext") or {}
    found = [f"{key} is true" for key in ("hostNetwork", "hostPID", "hostIPC") if spec.get(key)]
    for volume in spec.get("volumes", ()):
        found += [f"volume {volume['name']} is a {kind}" for kind in volume.keys() - {"name"} - VOLUMES]
    found += [f"sysctl {each['name']}" for each in pod.get("sysctls", ()) if each["name"] not in SYSCTLS]
    found += [f"pod: {each}" for each in _linux(pod)]
    annotations = template.get("metadata", {}).get("annotations") or {}
    found += [f"annotation {key}" for key, value in annotations.items() if "apparmor" in key and value == "unconfined"]
    containers = [*spec["containers"], *spec.get("initContainers", ()), *spec.get("ephemeralContainers", ())]
    for container in containers:
        found += [f"{container['name']}: {each}" for each in _container(container, pod)]
    return found


def _container(container: Mapping[str, Any], pod: Mapping[str, Any]) -> Iterator[str]:
    own = container.get("securityContext") or {}
    capabilities = own.get("capabilities") or {}
    if own.get("privileged"):
        yield "privileged"
    if own.get("allowPrivilegeEscalation") is not False:
        yield "allowPrivilegeEscalation is not false"
    if "ALL" not in capabilities.get("drop", ()):
        yield "capabilities.drop has no ALL"
    yield from (f"adds {each}" for each in capabilities.get("add", ()) if each != "NET_BIND_SERVICE")
    if own.get("runAsNonRoot", pod.get("runAsNonRoot")) is not True:
        yield "runAsNonRoot is not true"
    if (own.get("seccompProfile") or pod.get("seccompProfile") or {}).get("type") not in PROFILES:
        yield "no seccomp profile"
    if own.get("procMount", "Default") != "Default":
        yield "procMount"
    yield from (f"takes port {port['hostPort']} of its node" for port in container.get("ports", ()) if port.get("hostPort"))
    for probe in ("startupProbe", "livenessProbe", "readinessProbe"):
        for action in ("httpGet", "tcpSocket"):
            if ((container.get(probe) or {}).get(action) or {}).get("host"):
                yield f"{probe} names a host"
    yield from _linux(own)


def _linux(context: Mapping[str, Any]) -> Iterator[str]:
    if context.get("runAsUser") == 0:
        yield "runs as root"
    if (context.get("appArmorProfile") or {}).get("type", "RuntimeDefault") not in PROFILES:
        yield "no AppArmor"
    selinux = context.get("seLinuxOptions") or {}
    if selinux.get("type", "") not in SELINUX_TYPES or selinux.get("user") or selinux.get("role"):
        yield "SELinux options"
    if (context.get("windowsOptions") or {}).get("hostProcess"):
        yield "a process of its node"
