"""The questions that other servers ask about users: whose token is this, and may they do that. Answers are not stored."""

from collections.abc import Callable

from autoscaler.sandbox import faults, rbac
from autoscaler.sandbox.authentication import Tokens
from autoscaler.sandbox.objects import Obj, dig, timestamp
from autoscaler.sandbox.registry import Kind
from autoscaler.sandbox.store import Store

_DEFAULT_LIFETIME_S = 3600
_SHORTEST_LIFETIME_S = 600


class Reviews:
    """Answers reviews from the tokens given out and the roles stored."""

    def __init__(self, store: Store, tokens: Tokens) -> None:
        self._store = store
        self._tokens = tokens
        self._answers: dict[str, Callable[[Kind, Obj, rbac.User], Obj]] = {
            "TokenReview": self._token,
            "SubjectAccessReview": self._access,
            "SelfSubjectAccessReview": self._own_access,
            "SelfSubjectReview": self._who_am_i,
        }

    def answer(self, kind: Kind, body: Obj, asker: rbac.User) -> Obj:
        """Return *body* with its status filled in."""
        status = self._answers[kind.kind](kind, body.get("spec") or {}, asker)
        metadata = body.get("metadata") or {}
        review: Obj = {"kind": kind.kind, "apiVersion": kind.api_version, "metadata": metadata}
        if "spec" in body:
            review["spec"] = body["spec"]
        return {**review, "status": status}

    def _token(self, _kind: Kind, spec: Obj, _asker: rbac.User) -> Obj:
        text = spec.get("token") or ""
        if not text:
            raise faults.bad_request("token is required for TokenReview in authentication")
        found = self._tokens.review(text, spec.get("audiences") or ())
        if found is None:
            return {"user": {}, "error": "invalid bearer token"}
        user, audiences = found
        return {"authenticated": True, "user": _user_info(user), "audiences": audiences}

    def _access(self, kind: Kind, spec: Obj, _asker: rbac.User) -> Obj:
        if not spec.get("user") and not spec.get("groups"):
            why = 'Invalid value: "": at least one of user or group must be specified'
            raise faults.invalid(kind, "", [("spec.user", "FieldValueInvalid", why)])
        user = rbac.User(name=spec.get("user") or "", groups=tuple(spec.get("groups") or ()), uid=spec.get("uid") or "")
        return self._verdict(kind, spec, user)

    def _own_access(self, kind: Kind, spec: Obj, asker: rbac.User) -> Obj:
        return self._verdict(kind, spec, asker)

    def _who_am_i(self, _kind: Kind, _spec: Obj, asker: rbac.User) -> Obj:
        return {"userInfo": _user_info(asker)}

    def _verdict(self, kind: Kind, spec: Obj, user: rbac.User) -> Obj:
        about, path = spec.get("resourceAttributes"), spec.get("nonResourceAttributes")
        if (about is None) == (path is None):
            why = "Invalid value: null: exactly one of nonResourceAttributes or resourceAttributes must be specified"
            raise faults.invalid(kind, "", [("spec.resourceAttributes", "FieldValueInvalid", why)])
        if about is not None:
            fields = ("verb", "group", "resource", "subresource", "name", "namespace")
            asked = rbac.Attributes(**{field: about.get(field) or "" for field in fields})
        else:
            asked = rbac.Attributes(
                verb=dig(spec, "nonResourceAttributes", "verb") or "", path=dig(spec, "nonResourceAttributes", "path") or ""
            )
        verdict = rbac.decide(self._store, user, asked)
        status: Obj = {"allowed": verdict.allowed}
        if verdict.reason:
            status["reason"] = verdict.reason
        return status


def token_request(kind: Kind, tokens: Tokens, namespace: str, name: str, body: Obj, *, now: float) -> Obj:
    """Answer a TokenRequest with a new token of that service account; 404 when there is no such account."""
    spec = body.get("spec") or {}
    lifetime_s = spec.get("expirationSeconds") or _DEFAULT_LIFETIME_S
    audiences = spec.get("audiences") or ()
    if lifetime_s < _SHORTEST_LIFETIME_S:
        request = Kind(group="authentication.k8s.io", plural="tokenrequests", kind="TokenRequest")
        why = f"Invalid value: {lifetime_s}: may not specify a duration less than 10 minutes"
        raise faults.invalid(request, name, [("spec.expirationSeconds", "FieldValueInvalid", why)])
    given = tokens.give(namespace, name, lifetime_s=lifetime_s, audiences=audiences)
    if given is None:
        raise faults.not_found(kind, name)
    text, token = given
    return {
        "kind": "TokenRequest",
        "apiVersion": "authentication.k8s.io/v1",
        "metadata": {"name": name, "namespace": namespace, "creationTimestamp": timestamp(now)},
        "spec": {"audiences": list(token.audiences), "expirationSeconds": lifetime_s, "boundObjectRef": None},
        "status": {"token": text, "expirationTimestamp": timestamp(now + lifetime_s)},
    }


def _user_info(user: rbac.User) -> Obj:
    info: Obj = {"username": user.name, "groups": list(user.groups)}
    if user.uid:
        info["uid"] = user.uid
    if user.extra:
        info["extra"] = user.extra
    return info
