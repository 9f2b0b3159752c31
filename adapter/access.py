"""Who asks, and what for: the two halves of every question about permission, as Kubernetes itself puts it."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Identity:
    """A user as the API server knows users; *extra*, what authenticators had to add, is sorted by key."""

    user: str
    uid: str = ""
    groups: tuple[str, ...] = ()
    extra: tuple[tuple[str, tuple[str, ...]], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ResourceAttributes:
    """An action on a resource, as the API server's RequestInfo would spell it; `*` stands for all, as in a role."""

    verb: str
    namespace: str = ""
    group: str = ""
    version: str = ""
    resource: str = ""
    subresource: str = ""
    name: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class NonResourceAttributes:
    """An action on a path that is no resource, such as ``/metrics``."""

    verb: str
    path: str


Attributes = ResourceAttributes | NonResourceAttributes
