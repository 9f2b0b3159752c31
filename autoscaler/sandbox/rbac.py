"""Role-based access control as Kubernetes evaluates it: roles only add, and what no role grants is refused."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from adapter import selector
from autoscaler.sandbox.objects import Obj, labels_of, name_of
from autoscaler.sandbox.store import Store

GROUP = "rbac.authorization.k8s.io"
MASTERS = "system:masters"
AUTHENTICATED = "system:authenticated"
UNAUTHENTICATED = "system:unauthenticated"


@dataclass(frozen=True, slots=True, kw_only=True)
class User:
    """Who asks."""

    name: str
    groups: tuple[str, ...] = ()
    uid: str = ""
    extra: dict[str, list[str]] = field(default_factory=dict)


ANONYMOUS = User(name="system:anonymous", groups=(UNAUTHENTICATED,))


@dataclass(frozen=True, slots=True, kw_only=True)
class Attributes:
    """What is asked: a verb on a resource, or, without one, on a path."""

    verb: str
    group: str = ""
    resource: str = ""
    subresource: str = ""
    name: str = ""
    namespace: str = ""
    path: str = ""


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether it is allowed, and by what."""

    allowed: bool
    reason: str = ""


def service_account(namespace: str, name: str) -> str:
    """Return the user name of a service account."""
    return f"system:serviceaccount:{namespace}:{name}"


def service_account_groups(namespace: str) -> tuple[str, ...]:
    """Return the groups of every service account in *namespace*."""
    return ("system:serviceaccounts", f"system:serviceaccounts:{namespace}", AUTHENTICATED)


def decide(store: Store, user: User, asked: Attributes) -> Verdict:
    """Return whether *user* may do what is *asked* by the roles and bindings in *store*."""
    if MASTERS in user.groups:
        return Verdict(allowed=True)
    for scope, binding in _bindings(store, asked.namespace):
        subject = _subject(binding.get("subjects") or (), user, name_space=scope)
        if subject and any(_covers(rule, asked) for rule in _rules(store, binding["roleRef"], scope)):
            role = binding["roleRef"]
            kind = "RoleBinding" if scope else "ClusterRoleBinding"
            where = f"{name_of(binding)}/{scope}" if scope else name_of(binding)
            return Verdict(
                allowed=True, reason=f'RBAC: allowed by {kind} "{where}" of {role["kind"]} "{role["name"]}" to {subject}'
            )
    return Verdict(allowed=False)


def refusal(user: User, asked: Attributes) -> str:
    """Return the message of a refusal, in the API server's words."""
    if not asked.resource:
        return f'forbidden: User "{user.name}" cannot {asked.verb} path "{asked.path}"'
    plural = f"{asked.resource}.{asked.group}" if asked.group else asked.resource
    what = f'{plural} "{asked.name}"' if asked.name else plural
    resource = f"{asked.resource}/{asked.subresource}" if asked.subresource else asked.resource
    where = f'in the namespace "{asked.namespace}"' if asked.namespace else "at the cluster scope"
    return f'{what} is forbidden: User "{user.name}" cannot {asked.verb} resource "{resource}" in API group "{asked.group}" {where}'


def _bindings(store: Store, namespace: str) -> Iterator[tuple[str, Obj]]:
    for binding in store.objects(f"clusterrolebindings.{GROUP}"):
        yield "", binding
    if namespace:
        for binding in store.objects(f"rolebindings.{GROUP}", namespace):
            yield namespace, binding


def _subject(subjects: Iterable[Obj], user: User, *, name_space: str) -> str:
    for subject in subjects:
        kind, name = subject.get("kind"), subject.get("name", "")
        space = subject.get("namespace") or name_space
        if kind == "User" and name == user.name:
            return f'User "{name}"'
        if kind == "Group" and name in user.groups:
            return f'Group "{name}"'
        if kind == "ServiceAccount" and user.name == service_account(space, name):
            return f'ServiceAccount "{name}/{space}"'
    return ""


def _rules(store: Store, role: Obj, namespace: str) -> Sequence[Obj]:
    if role["kind"] == "Role":
        found = store.get(f"roles.{GROUP}", namespace, role["name"])
        return (found or {}).get("rules") or ()
    found = store.get(f"clusterroles.{GROUP}", "", role["name"])
    if found is None:
        return ()
    aggregation = found.get("aggregationRule")
    if not aggregation:
        return found.get("rules") or ()
    wanted = [selector.from_label_selector(each) for each in aggregation.get("clusterRoleSelectors") or ()]
    return [
        rule
        for other in store.objects(f"clusterroles.{GROUP}")
        if any(each.matches(labels_of(other)) for each in wanted)
        for rule in other.get("rules") or ()
    ]


def _covers(rule: Obj, asked: Attributes) -> bool:
    if not _has(rule.get("verbs"), asked.verb):
        return False
    if not asked.resource:
        return any(_path_matches(pattern, asked.path) for pattern in rule.get("nonResourceURLs") or ())
    if not _has(rule.get("apiGroups"), asked.group) or not _resource_matches(rule.get("resources") or (), asked):
        return False
    names = rule.get("resourceNames")
    return not names or asked.name in names


def _has(values: Sequence[str] | None, wanted: str) -> bool:
    return values is not None and ("*" in values or wanted in values)


def _resource_matches(patterns: Sequence[str], asked: Attributes) -> bool:
    if not asked.subresource:
        return _has(patterns, asked.resource)
    # `pods/*` is a literal: only a whole `*`, or `*/SUBRESOURCE`, is a wildcard.
    wanted = {"*", f"{asked.resource}/{asked.subresource}", f"*/{asked.subresource}"}
    return not wanted.isdisjoint(patterns)


def _path_matches(pattern: str, path: str) -> bool:
    return pattern in {"*", path} or (pattern.endswith("*") and path.startswith(pattern.rstrip("*")))
