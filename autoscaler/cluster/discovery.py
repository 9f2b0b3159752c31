"""Which path a kind has, and whether it can be scaled: asked of the API server once, and again from time to time."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from http import HTTPStatus

import msgspec

from adapter.errors import ApiServerError
from adapter.kube.watch import Reads

_KNOWN_S = 600.0  # a kind's plural hardly ever changes
_UNKNOWN_S = 10.0  # a definition may just be on its way
_TIMEOUT_S = 5.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Resource:
    """How a kind is served; *root* is its group and version's path, such as ``/apis/apps/v1``."""

    root: str
    group: str
    plural: str
    namespaced: bool
    scale: bool

    @property
    def qualified(self) -> str:
        """Return the plural with its group, such as ``deployments.apps``."""
        return f"{self.plural}.{self.group}" if self.group else self.plural

    def path(self, namespace: str, name: str) -> str:
        """Return the object's path."""
        scope = f"/namespaces/{namespace}" if self.namespaced else ""
        return f"{self.root}{scope}/{self.plural}/{name}"


class _Served(msgspec.Struct, gc=False):
    name: str
    kind: str
    namespaced: bool = False


class _ServedList(msgspec.Struct, gc=False):
    resources: list[_Served] | None = None


_SERVED = msgspec.json.Decoder(_ServedList)


@dataclass(frozen=True, slots=True)
class _Known:
    kinds: Mapping[str, Resource]
    asked_at: float  # the loop's time


@dataclass(slots=True)
class Discovery:
    """The kinds of each group and version that was asked for."""

    kube: Reads
    _known: dict[str, _Known] = field(default_factory=dict, init=False)
    _asking: asyncio.Lock = field(default_factory=asyncio.Lock, init=False)

    async def find(self, api_version: str, kind: str) -> Resource | None:
        """Return how *kind* is served, or None when it is not. Raises `ApiServerError` when nobody can tell."""
        kinds = self._fresh(api_version, kind)
        if kinds is None:
            async with self._asking:
                kinds = self._fresh(api_version, kind)
                if kinds is None:
                    kinds = await self._ask(api_version)
                    self._known[api_version] = _Known(kinds, asyncio.get_running_loop().time())
        return kinds.get(kind)

    def _fresh(self, api_version: str, kind: str) -> Mapping[str, Resource] | None:
        """Return what is known, unless it is too old to answer for *kind*."""
        known = self._known.get(api_version)
        if known is None:
            return None
        age_s = asyncio.get_running_loop().time() - known.asked_at
        return known.kinds if age_s < (_KNOWN_S if kind in known.kinds else _UNKNOWN_S) else None

    async def _ask(self, api_version: str) -> Mapping[str, Resource]:
        group, _, _ = api_version.rpartition("/")
        root = f"/apis/{api_version}" if group else f"/api/{api_version}"
        try:
            listed = _SERVED.decode(await self.kube.request("GET", root, timeout_s=_TIMEOUT_S)).resources or []
        except ApiServerError as exc:
            if exc.status != HTTPStatus.NOT_FOUND:
                raise
            return {}
        except msgspec.DecodeError as exc:
            raise ApiServerError(0, f"{root}: what came is no list of resources: {exc}") from exc
        names = {each.name for each in listed}
        return {
            each.kind: Resource(
                root=root, group=group, plural=each.name, namespaced=each.namespaced, scale=f"{each.name}/scale" in names
            )
            for each in listed
            if "/" not in each.name
        }
