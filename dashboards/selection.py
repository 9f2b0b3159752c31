"""Which series a query is of: the selectors that every expression shares, by the dashboards' variables."""

import re

from adapter.rules.attribution import EXPORTER_PODS

#: Where the autoscaler's and the adapter's own series come from.
JOB, ADAPTER_JOB = 'job=~"$job"', 'job=~"$adapter_job"'
#: The namespaces of the fleet, and the one scaler.
NAMESPACES, ONE = 'namespace=~"$namespace"', 'namespace="$namespace",scaler="$scaler"'
#: How a pod's name goes on after its workload's: a ReplicaSet's by five letters and digits that are drawn at random, a Deployment's
#: by those of the ReplicaSet before, a StatefulSet's by a number. What is drawn has no vowels, so that it makes no words:
#: `llama-3-8b-instruct` is another workload than `llama-3-8b`.
_LETTER = "[b-df-hj-np-tv-xz2456789]"
_DRAWN, _NUMBERED = f"-(?:{_LETTER}{{5,10}}-)?{_LETTER}{{5}}", "-[0-9]+"
#: The pods of the scaler's target. Those of a LeaderWorkerSet have two numbers: their group's, and their own in it.
PODS = f'namespace="$namespace",pod=~"$workload(?:{_DRAWN}|{_NUMBERED}(?:{_NUMBERED})?)"'
#: What tells a scaler from every other.
BY_SCALER = "namespace, scaler, target"


def of_all(metric: str, *more: str) -> str:
    """Return *metric* of every scaler in the chosen namespaces; *more* are matchers such as ``type="Ready"``."""
    return _select(metric, JOB, NAMESPACES, *more)


def of_one(metric: str, *more: str) -> str:
    """Return *metric* of the chosen scaler."""
    return _select(metric, JOB, ONE, *more)


def one(metric: str, *more: str, by: str = "") -> str:
    """Return *metric* of the chosen scaler, whichever replica leads, for each of the labels *by*."""
    return f"max by ({by}) ({of_one(metric, *more)})" if by else f"max({of_one(metric, *more)})"


def fleet(metric: str, *more: str, by: str = BY_SCALER) -> str:
    """Return *metric* of every scaler in the chosen namespaces, whichever replica leads, for each of the labels *by*."""
    return f"max by ({by}) ({of_all(metric, *more)})"


def of_controller(metric: str, *more: str) -> str:
    """Return *metric* of the autoscaler itself."""
    return _select(metric, JOB, *more)


def of_adapter(metric: str, *more: str) -> str:
    """Return *metric* of the adapter itself."""
    return _select(metric, ADAPTER_JOB, *more)


def of_daemons(metric: str) -> str:
    """Return *metric* of both daemons."""
    return _select(metric, 'job=~"$job|$adapter_job"')


def of_engines(metric: str) -> str:
    """Return *metric* of the engines in the chosen scaler's pods."""
    return _select(metric, PODS)


def of_devices(metric: str, pods: str = "") -> str:
    """Return dcgm-exporter's *metric* by the pod that has the GPU; *pods* are matchers of its namespace and name.

    Where its scrape does not honour labels, the exporter's own pod stands in ``pod``, and the pod in question in ``exported_pod``.
    """
    ours = _select(metric, 'pod!=""', 'exported_pod=""', f'pod!~"{EXPORTER_PODS}"', *([pods] if pods else []))
    theirs = re.sub(r"\b(namespace|pod)(?==)", r"exported_\1", pods)
    exported = _select(metric, 'exported_pod!=""', *([theirs] if theirs else []))
    named = f'label_replace({exported}, "namespace", "$1", "exported_namespace", "(.+)")'
    named = f'label_replace({named}, "pod", "$1", "exported_pod", "(.+)")'
    return f"({named} or {ours})"


def by_target(pods: str, fold: str = "avg") -> str:
    """Return *pods*, a vector by ``namespace`` and ``pod``, folded over each scaler's target, by the names of its pods."""
    # One number alone: nobody tells the workload's name here, and `phi-4-0` is rather `phi-4`'s than one of a group of `phi`.
    workloads = f'label_replace({pods}, "workload", "$1", "pod", "(.+?)(?:{_DRAWN}|{_NUMBERED})")'
    info = f"max by ({BY_SCALER}) ({of_all('leadtime_scaler_info')})"
    targets = f'label_replace({info}, "workload", "$1", "target", ".+/(.+)")'
    joined = f"{fold} by (namespace, workload) ({workloads}) * on (namespace, workload) group_right () {targets}"
    return f"max by ({BY_SCALER}) ({joined})"


def rate(counter: str) -> str:
    """Return the rate of *counter* over an interval that holds at least four scrapes."""
    return f"rate({counter}[$__rate_interval])"


def quantile(share: float, buckets: str, *by: str) -> str:
    """Return a quantile of the histogram whose *buckets* are given, over an interval, for each of *by*."""
    return f"histogram_quantile({share:g}, sum by ({', '.join((*by, 'le'))}) ({rate(buckets)}))"


def _select(metric: str, *matchers: str) -> str:
    return f"{metric}{{{','.join(matchers)}}}"
