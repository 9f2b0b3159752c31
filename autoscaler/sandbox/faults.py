"""How an API server says no: every refusal is a Status body with the reason and the message that Go's clients look for."""

from collections.abc import Sequence

from autoscaler.sandbox.objects import Obj
from autoscaler.sandbox.registry import Kind


class ApiError(Exception):
    """A request is refused; `status` is the body that says so and `code` the HTTP status it travels under."""

    def __init__(self, code: int, reason: str, message: str, details: Obj | None = None) -> None:
        self.code = code
        self.reason = reason
        self.message = message
        self.details = details
        super().__init__(message)

    def status(self) -> Obj:
        """Return the Status document."""
        body: Obj = {
            "kind": "Status",
            "apiVersion": "v1",
            "metadata": {},
            "status": "Failure",
            "message": self.message,
            "reason": self.reason,
        }
        if self.details is not None:
            body["details"] = self.details
        body["code"] = self.code
        return body


def _details(kind: Kind, name: str, *, by_kind: bool = False) -> Obj:
    found = {"name": name, "group": kind.group, "kind": kind.kind if by_kind else kind.plural}
    return {key: value for key, value in found.items() if value}


def bad_request(message: str) -> ApiError:
    """Return 400: the request cannot be read."""
    return ApiError(400, "BadRequest", message)


def unauthorized() -> ApiError:
    """Return 401: credentials were given and are not ours."""
    return ApiError(401, "Unauthorized", "Unauthorized")


def forbidden(message: str, details: Obj | None = None) -> ApiError:
    """Return 403: a known user without the right, or an admission rule."""
    return ApiError(403, "Forbidden", message, details or {})


def not_found(kind: Kind, name: str) -> ApiError:
    """Return 404: no such object."""
    return ApiError(404, "NotFound", f'{kind.resource} "{name}" not found', _details(kind, name))


def no_such_resource() -> ApiError:
    """Return 404: no such path."""
    return ApiError(404, "NotFound", "the server could not find the requested resource", {})


def method_not_allowed() -> ApiError:
    """Return 405: the path is there, and not for this method."""
    return ApiError(405, "MethodNotAllowed", "the server does not allow this method on the requested resource", {})


def not_acceptable() -> ApiError:
    """Return 406: the client takes nothing that we can write."""
    only = "application/json"
    return ApiError(406, "NotAcceptable", f"only the following media types are accepted: {only}")


def already_exists(kind: Kind, name: str) -> ApiError:
    """Return 409: the name is taken."""
    return ApiError(409, "AlreadyExists", f'{kind.resource} "{name}" already exists', _details(kind, name))


def conflict(kind: Kind, name: str, why: str = "") -> ApiError:
    """Return 409: the object is not what the request thinks it is."""
    why = why or "the object has been modified; please apply your changes to the latest version and try again"
    message = f'Operation cannot be fulfilled on {kind.resource} "{name}": {why}'
    return ApiError(409, "Conflict", message, _details(kind, name))


def expired(message: str) -> ApiError:
    """Return 410: the history asked for is gone; list anew."""
    return ApiError(410, "Expired", message)


def unsupported_media_type(accepted: Sequence[str]) -> ApiError:
    """Return 415: the body is written in a language that this path does not read."""
    kinds = ", ".join(accepted)
    message = f"the body of the request was in an unknown format - accepted media types include: {kinds}"
    return ApiError(415, "UnsupportedMediaType", message)


def invalid(kind: Kind, name: str, causes: Sequence[tuple[str, str, str]]) -> ApiError:
    """Return 422: the object breaks rules; each cause is (field, reason, message)."""
    listed = [f"{field}: {message}" for field, _, message in causes]
    text = listed[0] if len(listed) == 1 else f"[{', '.join(listed)}]"
    title = f"{kind.kind}.{kind.group}" if kind.group else kind.kind
    details = _details(kind, name, by_kind=True)
    details["causes"] = [{"reason": reason, "message": message, "field": field} for field, reason, message in causes]
    return ApiError(422, "Invalid", f'{title} "{name}" is invalid: {text}', details)


def rejected(message: str) -> ApiError:
    """Return 422: a patch that can be read cannot be applied."""
    return ApiError(422, "Invalid", f"the server rejected our request due to an error in our request: {message}", {})


def version_too_large(wanted: int, current: int) -> ApiError:
    """Return 504: the client has seen a future that this server has not."""
    message = f"Too large resource version: {wanted}, current: {current}"
    causes = [{"reason": "ResourceVersionTooLarge", "message": "Too large resource version"}]
    return ApiError(504, "Timeout", f"Timeout: {message}", {"causes": causes, "retryAfterSeconds": 1})
