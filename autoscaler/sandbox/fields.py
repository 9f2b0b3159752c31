"""Field selectors: ``status.phase=Running,spec.nodeName!=a`` over the few fields that a kind offers."""

from dataclasses import dataclass

from autoscaler.sandbox import faults
from autoscaler.sandbox.objects import Obj, dig
from autoscaler.sandbox.registry import Kind

_ALWAYS = ("metadata.name", "metadata.namespace")


@dataclass(frozen=True, slots=True)
class FieldSelector:
    """What a field must be (or, with *equal* False, must not be), for every term."""

    terms: tuple[tuple[tuple[str, ...], bool, str], ...] = ()  # (path, equal, value)

    def matches(self, obj: Obj) -> bool:
        """Return whether *obj* satisfies every term."""
        return all((_text(dig(obj, *path)) == value) is equal for path, equal, value in self.terms)

    def name(self) -> str:
        """Return the only name that can match, or nothing when several can."""
        return next((value for path, equal, value in self.terms if equal and path == ("metadata", "name")), "")


EVERYTHING = FieldSelector()


def parse(text: str, kind: Kind) -> FieldSelector:
    """Return the selector that *text* spells; 400 when it cannot be read or names a field that *kind* does not offer."""
    terms: list[tuple[tuple[str, ...], bool, str]] = []
    for term in filter(None, text.split(",")):
        operator = next((each for each in ("!=", "==", "=") if each in term), "")
        if not operator:
            raise faults.bad_request(f"invalid selector: '{text}'; can't understand '{term}'")
        field, _, value = term.partition(operator)
        if field not in _ALWAYS and field not in kind.selectable:
            gvr = f"{kind.api_version}, Resource={kind.plural}"
            if not kind.group:
                gvr = f"/{gvr}"
            raise faults.bad_request(
                f'Unable to find "{gvr}" that match label selector "", field selector "{text}": field label not supported: {field}'
            )
        terms.append((tuple(field.split(".")), operator != "!=", value))
    return FieldSelector(tuple(terms))


def _text(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return "" if value is None else str(value)
