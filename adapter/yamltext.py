"""YAML whose entries know their lines: what a configuration file is before anybody asks what it means.

A key that stands twice is a problem here, since YAML would take the last one without a word; so is a text that grows without bound
when its aliases are followed.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import yaml

from adapter import errors

#: Where something stands: keys and positions, from the outside in.
Place = tuple[str | int, ...]

#: Entries of one file, with each use of an alias counted again: far above any configuration's.
MAX_ENTRIES = 100_000
MAX_DEPTH = 32


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


def of(path: Path) -> str:
    """Return the text of the file at *path*. Raises `ConfigError` when it cannot be read."""
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise errors.ConfigError(str(path), [errors.Problem("", f"cannot be read: {error}")]) from error


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
        lines, problems = _surveyed(root)
        content = loader.construct_document(root) if root is not None else None
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        problem = errors.Problem("", f"is not YAML: {getattr(error, 'problem', None) or error}", mark.line + 1 if mark else None)
        raise errors.ConfigError(file, [problem]) from error
    except (_TooMuchError, RecursionError) as error:
        message = str(error) if isinstance(error, _TooMuchError) else _TOO_DEEP
        raise errors.ConfigError(file, [errors.Problem("", message)]) from error
    except (ValueError, OverflowError) as error:
        raise errors.ConfigError(file, [errors.Problem("", f"holds a number or a date that cannot be read: {error}")]) from error
    return Document(content, lines, tuple(problems))


class _TooMuchError(Exception):
    """The text is larger or deeper than any configuration."""


_TOO_DEEP = f"is nested more than {MAX_DEPTH} deep, or holds itself by an alias"


def _surveyed(root: yaml.Node | None) -> tuple[dict[Place, int], list[errors.Problem]]:
    """Return the line of everything below *root*, and the keys that stand twice."""
    lines: dict[Place, int] = {}
    problems: list[errors.Problem] = []
    waiting: list[tuple[Place, yaml.Node]] = []
    if root is not None:
        lines[()] = root.start_mark.line + 1
        waiting.append(((), root))
    while waiting:
        place, node = waiting.pop()
        if len(place) > MAX_DEPTH:
            raise _TooMuchError(_TOO_DEEP)
        if len(lines) > MAX_ENTRIES:
            raise _TooMuchError(f"has more than {MAX_ENTRIES} entries, counted as often as aliased")
        seen: set[str | int] = set()
        for step, line, child in _entries(node):
            below = (*place, step)
            if step in seen:
                problems.append(errors.Problem(dotted(below), "stands twice: keep one", line))
            seen.add(step)
            lines[below] = line
            waiting.append((below, child))
    return lines, problems


def _entries(node: yaml.Node) -> Sequence[tuple[str | int, int, yaml.Node]]:
    """Return what *node* holds: its key or position, the line it begins in, and the node itself."""
    if isinstance(node, yaml.MappingNode):
        return [(str(key.value), key.start_mark.line + 1, value) for key, value in node.value]
    if isinstance(node, yaml.SequenceNode):
        return [(position, value.start_mark.line + 1, value) for position, value in enumerate(node.value)]
    return []
