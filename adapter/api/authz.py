"""May they: the API server's word on what an identity may read, remembered so that a warm read asks nobody.

A metric's name is part of the question, so asking each one exactly would cost as many SubjectAccessReviews as there are HPAs times
metrics. The wide question is asked first: may they read every resource of the group in this namespace (resource ``*``, no
subresource, no name)? RBAC says yes to that only by a rule that names ``*`` itself, so the yes is never wider than the grant. Only
after a no is the exact question asked. Whatever is not a yes is a no, and `Verdict.fault` tells the no of a missing answer apart.
"""

import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace

from adapter.access import Attributes, Identity, NonResourceAttributes, ResourceAttributes
from adapter.api import answers

ALWAYS_ALLOWED_GROUP = "system:masters"
ALWAYS_ALLOWED_PATHS = ("/healthz", "/livez", "/readyz")


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether the request may go on. With *fault* the no comes from a missing answer: 503 rather than 403."""

    allowed: bool
    reason: str = ""
    fault: bool = False


_Key = tuple[Identity, Attributes]
_WideKey = tuple[Identity, str, str, str, str]
_WideQuestion = tuple[Identity, ResourceAttributes]
_ALLOWED = Verdict(allowed=True)


class Authorizer:
    """Decides what identities may read.

    *review* returns whether the API server allows what is asked, and why; it raises `ApiServerError` when there is no answer.
    *clock* counts seconds and never goes back.
    """

    def __init__(
        self,
        review: Callable[[Identity, Attributes], Awaitable[tuple[bool, str]]],
        *,
        terms: answers.Terms | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        terms = terms or answers.Terms()
        self._review = review
        self._exact: answers.Answers[_Key, _Key, Verdict] = answers.Answers(
            self._ask, is_yes=_allowed, name="access", terms=terms, clock=clock
        )
        # A no to the wide question refuses nobody, it only leads to the exact one: it may be as old as a yes.
        self._wide: answers.Answers[_WideKey, _WideQuestion, Verdict] = answers.Answers(
            self._ask_wide, is_yes=_allowed, name="wide access", terms=replace(terms, no_s=terms.yes_s), clock=clock
        )

    @property
    def reviews(self) -> int:
        """Return how many SubjectAccessReviews have been asked for."""
        return self._exact.asked + self._wide.asked

    async def check(self, identity: Identity, attributes: Attributes) -> Verdict:
        """Return whether *identity* may do what *attributes* say. Waits for the API server only if no answer is at hand."""
        if ALWAYS_ALLOWED_GROUP in identity.groups:
            return _ALLOWED
        exact = (identity, attributes)
        if isinstance(attributes, NonResourceAttributes):
            if _always_allowed(attributes.path):
                return _ALLOWED
            return _verdict(await self._exact.get(exact, exact))

        wide = (identity, attributes.verb, attributes.namespace, attributes.group, attributes.version)
        answer = self._wide.ready(wide, (identity, attributes))
        if isinstance(answer, Verdict) and answer.allowed:
            return answer
        known = self._exact.ready(exact, exact)
        if known is not None:
            return _verdict(known)
        if answer is None:
            answer = await self._wide.get(wide, (identity, attributes))
            if isinstance(answer, Verdict) and answer.allowed:
                return answer
        if isinstance(answer, answers.Unknown) and exact not in self._exact:
            return _verdict(answer)
        return _verdict(await self._exact.get(exact, exact))

    async def close(self) -> None:
        """Give up the reviews that are under way."""
        await self._wide.close()
        await self._exact.close()

    async def _ask(self, question: _Key) -> Verdict:
        allowed, reason = await self._review(*question)
        return Verdict(allowed, reason)

    async def _ask_wide(self, question: _WideQuestion) -> Verdict:
        identity, attributes = question
        return await self._ask((identity, replace(attributes, resource="*", subresource="", name="")))


def _always_allowed(path: str) -> bool:
    return any(path == allowed or path.startswith(allowed + "/") for allowed in ALWAYS_ALLOWED_PATHS)


def _allowed(verdict: Verdict) -> bool:
    return verdict.allowed


def _verdict(answer: Verdict | answers.Unknown) -> Verdict:
    if isinstance(answer, answers.Unknown):
        return Verdict(allowed=False, reason=answer.reason, fault=True)
    return answer
