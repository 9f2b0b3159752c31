"""Know the live endpoints of one Service, with the port to speak to and the pod and node behind each.

EndpointSlices are read rather than pods, so that a Service without a pod selector works too.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field

import msgspec

from adapter.kube.watch import Health, Pacing, Reads, Reflector


@dataclass(frozen=True, slots=True, order=True)
class Endpoint:
    """Where one replica of a Service listens; *pod* and *node* are empty when its slice does not name them."""

    address: str
    port: int
    pod: str = ""
    namespace: str = ""
    node: str = ""


class _Metadata(msgspec.Struct, gc=False):
    name: str


class _Port(msgspec.Struct, gc=False):
    name: str | None = None
    port: int | None = None


class _Conditions(msgspec.Struct, gc=False):
    ready: bool | None = None
    serving: bool | None = None
    terminating: bool | None = None


class _Target(msgspec.Struct, gc=False):
    kind: str = ""
    name: str = ""
    namespace: str = ""


class _Endpoint(msgspec.Struct, gc=False, rename="camel"):
    addresses: list[str]
    conditions: _Conditions = msgspec.field(default_factory=_Conditions)
    target_ref: _Target | None = None
    node_name: str | None = None


class _Slice(msgspec.Struct, gc=False, rename="camel"):
    metadata: _Metadata
    address_type: str = "IPv4"
    endpoints: list[_Endpoint] | None = None
    ports: list[_Port] | None = None


_SLICE = msgspec.json.Decoder(_Slice)


@dataclass(slots=True, kw_only=True)
class Endpoints:
    """The endpoints of *service*, kept up to date by `run`. *port* is a name or a number, as in the Service's targetPort.

    `snapshot` is replaced whole, never changed in place, and is sorted.
    """

    kube: Reads
    namespace: str
    service: str
    port: str | int
    pacing: Pacing = field(default_factory=Pacing)
    health: Health = field(default_factory=Health, init=False)
    snapshot: tuple[Endpoint, ...] = field(default=(), init=False)
    _slices: dict[str, _Slice] = field(default_factory=dict, init=False)

    async def run(self) -> None:
        """Watch until cancelled."""
        await Reflector(
            kube=self.kube,
            path=f"/apis/discovery.k8s.io/v1/namespaces/{self.namespace}/endpointslices",
            decode=_SLICE.decode,
            on_replace=self._replace,
            on_put=self._put,
            on_remove=self._remove,
            label_selector=f"kubernetes.io/service-name={self.service}",
            pacing=self.pacing,
            health=self.health,
        ).run()

    def _replace(self, found: list[_Slice]) -> None:
        self._slices = {each.metadata.name: each for each in found}
        self._publish()

    def _put(self, changed: _Slice) -> None:
        self._slices[changed.metadata.name] = changed
        self._publish()

    def _remove(self, gone: _Slice) -> None:
        self._slices.pop(gone.metadata.name, None)
        self._publish()

    def _publish(self) -> None:
        # While slices are rebalanced an endpoint stands in two of them, and a dual-stack pod always does: IPv4 comes first.
        found: dict[tuple[str, str, int], Endpoint] = {}
        for each in sorted(self._slices.values(), key=lambda each: (each.address_type, each.metadata.name)):
            number = port_number(each.ports or (), self.port)
            if number is None:
                continue
            for raw in each.endpoints or ():
                if raw.addresses and _is_live(raw.conditions):
                    endpoint = self._endpoint(raw, number)
                    found.setdefault((endpoint.namespace, endpoint.pod or endpoint.address, number), endpoint)
        self.snapshot = tuple(sorted(found.values()))

    def _endpoint(self, raw: _Endpoint, port: int) -> Endpoint:
        target = raw.target_ref if raw.target_ref and raw.target_ref.kind == "Pod" else _Target()
        return Endpoint(raw.addresses[0], port, target.name, target.namespace or self.namespace, raw.node_name or "")


def port_number(ports: Iterable[_Port], wanted: str | int) -> int | None:
    """Return the number behind *wanted*, or None for a name that the slice does not have; a number stands for itself."""
    if isinstance(wanted, int) or wanted.isdecimal():
        return int(wanted)
    return next((port.port for port in ports if port.name == wanted), None)


def _is_live(conditions: _Conditions) -> bool:
    """Return whether an endpoint takes new requests; what a slice leaves out means yes, as the API defines it."""
    return not conditions.terminating and (conditions.ready is not False or conditions.serving is True)
