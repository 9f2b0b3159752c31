"""What our two service accounts asked of the API server, in the API server's own words: its audit log."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from tests.cluster import stack

USER = f"system:serviceaccount:{stack.NAMESPACE}:{stack.SERVICE}"
AUTOSCALER = f"system:serviceaccount:{stack.NAMESPACE}:leadtime-autoscaler"


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """One request and what came of it; `resource` is empty for a path that is no resource."""

    verb: str
    path: str
    group: str
    resource: str
    namespace: str
    name: str
    code: int
    allowed: bool
    #: Which role and binding allowed it, or why none did.
    reason: str


def flags(folder: Path) -> list[str]:
    """Return the flags that have a kube-apiserver write down, in *folder*, what adapter and controller ask, without any body."""
    policy = {
        "apiVersion": "audit.k8s.io/v1",
        "kind": "Policy",
        "omitStages": ["RequestReceived"],
        "rules": [{"level": "Metadata", "users": [USER, AUTOSCALER]}, {"level": "None"}],
    }
    file = folder / "audit-policy.yaml"
    file.write_text(yaml.safe_dump(policy))
    return [f"--audit-policy-file={file}", f"--audit-log-path={_log(folder)}"]


def position(folder: Path) -> int:
    """Return how far the log has come, for `requests`."""
    return _log(folder).stat().st_size if _log(folder).exists() else 0


def requests(folder: Path, *, since: int = 0, user: str = USER) -> Sequence[Request]:
    """Return what *user* asked after the `position` *since*."""
    with _log(folder).open("rb") as file:
        file.seek(since)
        events = [json.loads(line) for line in file if line.endswith(b"\n")]
    return [_request(event) for event in events if event["user"]["username"] == user]


def _request(event: Mapping[str, Any]) -> Request:
    about = event.get("objectRef", {})
    resource = "/".join(part for part in (about.get("resource", ""), about.get("subresource", "")) if part)
    return Request(
        verb=event["verb"],
        path=event["requestURI"],
        group=about.get("apiGroup", ""),
        resource=resource,
        namespace=about.get("namespace", ""),
        name=about.get("name", ""),
        code=event["responseStatus"]["code"],
        allowed=event["annotations"]["authorization.k8s.io/decision"] == "allow",
        reason=event["annotations"].get("authorization.k8s.io/reason", ""),
    )


def _log(folder: Path) -> Path:
    return folder / "audit.log"
