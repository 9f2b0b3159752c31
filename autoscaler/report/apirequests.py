"""What the controller asks of the API server, as metrics: how often, with which answer, and how long it takes."""

from collections import Counter

from prometheus_client.core import CounterMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

from adapter.kube.client import Answered
from adapter.telemetry import Distribution

NO_ANSWER = "no_answer"

_BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
_VERBS = {"POST": "create", "PUT": "update", "PATCH": "patch", "DELETE": "delete"}
_METRICS = frozenset({"custom.metrics.k8s.io", "external.metrics.k8s.io"})


class ApiRequests(Collector):
    """The requests of one client, counted as they are answered."""

    def __init__(self) -> None:
        self._counts: Counter[tuple[str, str, str]] = Counter()
        self._took: dict[str, Distribution] = {}

    def answered(self, request: Answered) -> None:
        """Count one request."""
        verb, resource = words(request.method, request.path, watch=request.watch)
        self._counts[verb, resource, str(request.status) if request.status else NO_ANSWER] += 1
        took = self._took.get(verb)
        if took is None:
            took = self._took[verb] = Distribution(_BUCKETS)
        took.observe(request.took_s)

    def collect(self) -> list[Metric]:
        """Return what was counted, as prometheus-client asks for it."""
        counts = CounterMetricFamily(
            "leadtime_kube_requests", "Requests to the API server, by their answers.", labels=["verb", "resource", "code"]
        )
        for labels, count in list(self._counts.items()):
            counts.add_metric(labels, count)
        took = HistogramMetricFamily(
            "leadtime_kube_request_duration_seconds",
            "Time until the API server had answered; of a watch, until it began.",
            labels=["verb"],
        )
        for verb, seconds in list(self._took.items()):
            took.add_metric([verb], seconds.buckets(), seconds.total)
        return [counts, took]


def words(method: str, path: str, *, watch: bool = False) -> tuple[str, str]:
    """Return a request's verb and resource as RBAC has them, without any object's name: a series each, and not one for each object.

    The resources of the metrics APIs are names of metrics: they all go by the name of their API. What is asked of no resource is
    ``discovery``.
    """
    resource, named = _resource(path.strip("/").split("/"))
    if method == "GET":
        return "watch" if watch else "get" if named else "list", resource
    return _VERBS.get(method, method.lower()), resource


def _resource(parts: list[str]) -> tuple[str, bool]:
    """Return the resource of a path and whether it names an object."""
    core = parts[0] == "api"
    if not core and len(parts) > 1 and parts[1] in _METRICS:
        return parts[1], True
    below = parts[2:] if core else parts[3:]  # after the version
    if parts[0] not in ("api", "apis") or not below:
        return "discovery", True
    if below[0] == "namespaces" and len(below) > 2:
        below = below[2:]
    resource, *rest = below
    return f"{resource}/{rest[1]}" if len(rest) > 1 else resource, bool(rest)
