"""What the shipped manifests let one of our service accounts do, in rights that a request can be held against."""

import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import yaml

from tests.cluster import access, audit, stack


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class Grant:
    """A right, as small as a role can give it; ``*`` as a resource, a name or a namespace is every one."""

    verb: str
    group: str
    resource: str
    name: str = "*"
    namespace: str = "*"

    def covers(self, request: audit.Request) -> bool:
        """Return whether *request* needs this right."""
        return (
            (self.verb, self.group) == (request.verb, request.group)
            and self.resource in {"*", request.resource}
            and self.name in {"*", request.name}
            and self.namespace in {"*", request.namespace}
        )


def granted(cluster: access.Cluster, account: str) -> set[Grant]:
    """Return every right that ``manifests/base`` gives to the service account *account*."""
    documents = [
        document
        for file in sorted((stack.MANIFESTS / "base").rglob("*.yaml"))
        for document in yaml.safe_load_all(file.read_text())
        if document and "metadata" in document
    ]
    shipped = {(each["kind"], each["metadata"].get("namespace"), each["metadata"]["name"]): each for each in documents}
    subject = {"kind": "ServiceAccount", "name": account, "namespace": stack.NAMESPACE}
    found: set[Grant] = set()
    for binding in documents:
        if not binding["kind"].endswith("Binding") or subject not in binding["subjects"]:
            continue
        namespace = binding["metadata"].get("namespace")
        kind, name = binding["roleRef"]["kind"], binding["roleRef"]["name"]
        place = namespace if kind == "Role" else None
        role = shipped.get((kind, place, name)) or cluster.get(kind.lower(), name, *([f"--namespace={place}"] if place else []))
        found |= {grant for rule in role.get("rules") or () for grant in _grants(rule, namespace or "*")}
    return found


def _grants(rule: Mapping[str, Sequence[str]], namespace: str) -> Iterator[Grant]:
    for verb, group, resource, name in itertools.product(
        rule["verbs"], rule["apiGroups"], rule["resources"], rule.get("resourceNames", ["*"])
    ):
        yield Grant(verb=verb, group=group, resource=resource, name=name, namespace=namespace)
