"""YAML whose entries know their lines: what a configuration file is before anybody asks what it means.

A key that stands twice is a problem here, since YAML would take the last one without a word; so is a text that grows without bound
when its aliases are followed.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice

import yaml

from adapter import errors

#: Where something stands: keys and positions, from the outside in.
Place = tuple[str | int, ...]

#: Entries of one file, with each use of an alias counted again: far above any configuration's.
MAX_ENTRIES = 100_000


@dataclass(frozen=True, slots=True)
class Document:
    """What a text says, the line (from 1) of everything in it, and what is wrong with it as a text."""

    content: object
    lines: Mapping[Place, int]
    problems: tuple[errors.Problem, ...] = ()

    def problem(self, place: Place, message: str) -> errors.Problem:
        """Return a problem at *place*; what is missing there has the line of what it is missing from."""
        known = place
        while known and known not in self.lines:
            known = known[:-1]
        return errors.Problem(dotted(place), message, self.lines.get(known))


def dotted(place: Place) -> str:
    """Return *place* as a path, such as ``rules[2].maxAge``."""
    text = ""
    for step in place:
        text += f"[{step}]" if isinstance(step, int) else f".{step}" if text else step
    return text


def read(text: str, *, file: str) -> Document:
    """Return what *text* says; *file* is what problems call it.

    Raises:
        ConfigError: it is not YAML, or not one document of reasonable size.

    """
    try:
        loader = yaml.SafeLoader(text)
        root = loader.get_single_node()
        lines = dict(islice(_lines(root, ()), MAX_ENTRIES + 1))
        if len(lines) > MAX_ENTRIES:
            raise errors.ConfigError(
                file, [errors.Problem("", f"has more than {MAX_ENTRIES} entries, counted as often as aliased")]
            )
        content = loader.construct_document(root) if root is not None else None
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        problem = errors.Problem("", f"is not YAML: {getattr(error, 'problem', None) or error}", mark.line + 1 if mark else None)
        raise errors.ConfigError(file, [problem]) from error
    except RecursionError as error:
        raise errors.ConfigError(file, [errors.Problem("", "is nested too deeply, or holds itself by an alias")]) from error
    except (ValueError, OverflowError) as error:
        raise errors.ConfigError(file, [errors.Problem("", f"holds a number or a date that cannot be read: {error}")]) from error
    return Document(content, lines, tuple(_duplicates(root, ())))


def _lines(node: yaml.Node | None, place: Place) -> Iterator[tuple[Place, int]]:
    if node is None:
        return
    yield place, node.start_mark.line + 1
    for step, line, child in _entries(node):
        for below, number in _lines(child, (*place, step)):
            # An entry stands where its key does, also when its value begins on a line of its own.
            yield below, line if below == (*place, step) else number


def _duplicates(node: yaml.Node | None, place: Place) -> Iterator[errors.Problem]:
    if node is None:
        return
    seen: set[str | int] = set()
    for step, line, child in _entries(node):
        if step in seen:
            yield errors.Problem(dotted((*place, step)), "stands twice: keep one", line)
        seen.add(step)
        yield from _duplicates(child, (*place, step))


def _entries(node: yaml.Node) -> Sequence[tuple[str | int, int, yaml.Node]]:
    """Return what *node* holds: its key or position, the line it begins in, and the node itself."""
    if isinstance(node, yaml.MappingNode):
        return [(str(key.value), key.start_mark.line + 1, value) for key, value in node.value]
    if isinstance(node, yaml.SequenceNode):
        return [(position, value.start_mark.line + 1, value) for position, value in enumerate(node.value)]
    return []
