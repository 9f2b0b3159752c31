"""What a Prometheus is asked about the GPUs of Deployments, as PromQL. Nothing but dcgm-exporter's series is needed.

Which Deployment a pod is of is read from its name, NAME-HASH-RANDOM, as the ReplicaSet's controller makes them: of letters and
digits that can spell no word, so that a DaemonSet's NAME-RANDOM is not taken for one. Names come from the cluster and are quoted:
they end no string and no regular expression.
"""

import re

from adapter.rules.attribution import EXPORTER_PODS

#: The alphabet of Kubernetes' own random names.
_LETTER = "[bcdfghjklmnpqrstvwxz2456789]"
_TAIL = f"-{_LETTER}{{6,10}}-{_LETTER}{{5}}"
#: A GPU that no pod has shows its exporter's own pod.
_NOT_OWN = f'pod!~"{EXPORTER_PODS}"'


def discovery(most: int, namespace: str | None = None) -> str:
    """Return how many GPUs each Deployment has (labels ``namespace``, ``workload``), of the *most* that have the most."""
    return f"topk({most}, sum by (namespace, workload) ({_named(_gpus(namespace))}))"


def gpus_each(namespace: str | None = None) -> str:
    """Return how many GPUs a pod of each Deployment has, or instances of them (labels as those of `discovery`)."""
    return f"max by (namespace, workload) ({_named(_gpus(namespace))})"


def load(namespace: str, name: str, *, target_percent: float) -> str:
    """Return the load of one Deployment in replicas' worth: the sum of its pods' utilisation by what is meant for one."""
    return f"sum({_per_pod(_pods(name), namespace)}) / {target_percent:g}"


def replicas(namespace: str, name: str) -> str:
    """Return how many pods of one Deployment had GPUs."""
    return f"count({_per_pod(_pods(name), namespace)})"


def _pods(name: str) -> str:
    return f"{re.escape(name)}{_TAIL}"


def _gpus(namespace: str | None) -> str:
    """Return how many GPUs each pod of any Deployment has, each counted once however many jobs scrape it."""
    return f"count by (namespace, pod) ({_by_pod(f'.+{_TAIL}', namespace, 'UUID', 'GPU_I_ID')})"


def _per_pod(pods: str, namespace: str | None) -> str:
    """Return the mean utilisation of each pod's GPUs in per cent."""
    return _by_pod(pods, namespace)


def _by_pod(pods: str, namespace: str | None, *more: str) -> str:
    """Return mean utilisation by namespace, pod and *more* labels, whatever ``honorLabels`` was when it was scraped."""
    exported, plain = f"exported_pod=~{quoted(pods)}", f'exported_pod="",pod=~{quoted(pods)},{_NOT_OWN}'
    if namespace is not None:
        exported += f",exported_namespace={quoted(namespace)}"
        plain += f",namespace={quoted(namespace)}"
    renamed = f"avg by ({', '.join(('exported_namespace', 'exported_pod', *more))}) ({_utilisation(exported)})"
    for label in ("namespace", "pod"):
        renamed = f'label_replace({renamed}, "{label}", "$1", "exported_{label}", "(.*)")'
    labels = ", ".join(("namespace", "pod", *more))
    return f"avg by ({labels}) ({renamed} or avg by ({labels}) ({_utilisation(plain)}))"


def _utilisation(selected: str) -> str:
    """Return the series with *selected*, in per cent. NVIDIA has no GPU_UTIL under MIG."""
    return f'(DCGM_FI_DEV_GPU_UTIL{{GPU_I_ID="",{selected}}} or 100 * DCGM_FI_PROF_GR_ENGINE_ACTIVE{{{selected}}})'


def _named(per_pod: str) -> str:
    return f'label_replace({per_pod}, "workload", "$1", "pod", {quoted(f"(.+){_TAIL}")})'


def quoted(text: str) -> str:
    """Return *text* as a PromQL string."""
    plain = "".join(
        char if char.isprintable() else f"\\U{ord(char):08x}" for char in text.replace("\\", "\\\\").replace('"', '\\"')
    )
    return f'"{plain}"'
