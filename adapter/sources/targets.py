"""What a scrape reads: addresses with the labels that their rows get, from live pods or from a fixed list."""

import urllib.parse
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, Protocol

from adapter import selector
from adapter.sources.exposition import LabelSet
from adapter.workload import Inventory, Pod


@dataclass(frozen=True)
class Target:
    """A page to read, and the labels of where it stands; `instance` is added to them, as Prometheus does."""

    url: str
    labels: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        parts = urllib.parse.urlsplit(self.url)
        if parts.username is not None or parts.password is not None:
            raise ValueError("a target's URL holds no credentials: they belong into files, under auth")
        # Reading the port raises ValueError for one that is no port.
        if parts.scheme not in {"http", "https"} or not parts.hostname or parts.port == 0:
            raise ValueError(f"{self.url!r} is no URL of a page: write http(s)://host:port/path")
        object.__setattr__(self, "labels", LabelSet({"instance": parts.netloc} | dict(self.labels)))

    @property
    def name(self) -> str:
        """Return what messages call it: its pod when it has one, or else its address."""
        namespace, pod = self.labels.get("namespace"), self.labels.get("pod")
        return f"{namespace}/{pod}" if namespace and pod else self.labels["instance"]


class Targets(Protocol):
    """Says what there is to scrape right now. It is asked before each collection and answers from memory."""

    def __call__(self) -> Sequence[Target]:
        """Return the targets of this moment."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """Where on a target's address its page is."""

    scheme: Literal["http", "https"] = "http"
    path: str = "/metrics"

    def url(self, address: str) -> str:
        """Return the URL of the page at *address*, ``host:port``."""
        return f"{self.scheme}://{address}{self.path}"


def static_targets(addresses: Sequence[str], page: Page) -> Targets:
    """Return the targets at *addresses*: ``host:port``, or whole URLs for pages that stand elsewhere.

    Raises:
        ValueError: one of them is neither.

    """
    targets = [Target(address if "://" in address else page.url(address)) for address in addresses]
    return lambda: targets


def pod_targets(
    inventory: Inventory,
    page: Page,
    *,
    namespaces: Collection[str],
    wanted: selector.Selector,
    port: int | str,
) -> Targets:
    """Return the live pods of *namespaces* (none: of all) that *wanted* matches and that have an address and the *port*.

    A port's name is looked up among the pod's containers. Rows get the labels `namespace`, `pod` and `node`.
    """
    known: dict[tuple[str, str], tuple[Pod, Target | None]] = {}

    def targets() -> Sequence[Target]:
        nonlocal known
        now: dict[tuple[str, str], tuple[Pod, Target | None]] = {}
        for pod in inventory.pods():
            if (namespaces and pod.namespace not in namespaces) or not wanted.matches(pod.labels):
                continue
            key = (pod.namespace, pod.name)
            before = known.get(key)
            # An unchanged pod is the same object, and so stays its target with all that is remembered about it.
            now[key] = before if before is not None and before[0] is pod else (pod, _pod_target(pod, page, port))
        known = now
        return [target for _, target in now.values() if target is not None]

    return targets


class Endpoint(Protocol):
    """An address behind a Service, as its EndpointSlices name it; empty strings stand for what they leave out."""

    @property
    def address(self) -> str:
        """Return the IP address."""

    @property
    def port(self) -> int:
        """Return the port's number."""

    @property
    def pod(self) -> str:
        """Return the name of the pod that has the address."""

    @property
    def namespace(self) -> str:
        """Return the pod's namespace."""

    @property
    def node(self) -> str:
        """Return the node it runs on."""


def endpoint_targets(endpoints: Callable[[], Sequence[Endpoint]], page: Page) -> Targets:
    """Return what stands behind a Service at each moment; *endpoints* answers from memory.

    Rows get the labels `namespace`, `pod` and `node`, as far as the endpoint has them.
    """

    def targets() -> Sequence[Target]:
        return [Target(page.url(address(one.address, one.port)), _labels(one.namespace, one.pod, one.node)) for one in endpoints()]

    return targets


def _labels(namespace: str, pod: str, node: str) -> dict[str, str]:
    labels = {"namespace": namespace, "pod": pod, "node": node}
    return {label: value for label, value in labels.items() if value}


def _pod_target(pod: Pod, page: Page, port: int | str) -> Target | None:
    number = port if isinstance(port, int) else dict(pod.ports).get(port)
    if not pod.ip or number is None:
        return None
    return Target(page.url(address(pod.ip, number)), _labels(pod.namespace, pod.name, pod.node))


def address(ip: str, port: int) -> str:
    """Return ``ip:port`` as a URL holds it: IPv6 in brackets."""
    return f"[{ip}]:{port}" if ":" in ip else f"{ip}:{port}"


def attach(target: Mapping[str, str]) -> Callable[[Mapping[str, str]], LabelSet]:
    """Return the function that turns a row's labels on the page into its final ones.

    As Prometheus does with ``honor_labels: false``: the target's labels win, and what the page says under the same name moves
    to `exported_…`; an empty label is an absent one.
    """
    own = {label: value for label, value in target.items() if value}

    def merged(page: Mapping[str, str]) -> LabelSet:
        labels = LabelSet({label: value for label, value in page.items() if value})
        conflicts = [(label, labels[label]) for label in own if label in labels]
        labels.update(own)
        for label, value in sorted(conflicts, key=lambda conflict: len(conflict[0])):
            moved = f"exported_{label}"
            while moved in labels:
                moved = f"exported_{moved}"
            labels[moved] = value
        return labels

    return merged
