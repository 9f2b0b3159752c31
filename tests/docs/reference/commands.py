"""Every command with its arguments and options, from the program's own command line."""

from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import typer.main

from autoscaler.cli import main
from tests.docs.reference import table

_HEAD = """# Every command and option

`leadtime COMMAND --help` prints the same. What people do with them is on a [page of its own](../commands.md), and what
`leadtime adapter` and `leadtime autoscaler` are configured with on [another](../configuration.md).

Exit statuses of all: 0 done, 1 it did not work out and the message says why, 2 the command or a file that it was given is wrong.
What a command means by others is told with it.

This page is made of the code by `python -m tests.docs.generate`.
"""
_KINDS = {int: "NUMBER", float: "NUMBER", Path: "FILE"}
#: A command of typer's; its classes are its own affair.
Command = Any


@cache
def root() -> Command:
    """Return the whole command line."""
    return typer.main.get_command(main.app)


def page() -> str:
    """Return the page."""
    return "\n".join([_HEAD, *(part for name, command in everything() for part in _section(name, command))]).rstrip() + "\n"


def everything(command: Command | None = None, name: str = "leadtime") -> Iterator[tuple[str, Command]]:
    """Yield each command that is shown with its whole name, a group before what is in it."""
    found = root() if command is None else command
    yield name, found
    for below, each in sorted(getattr(found, "commands", {}).items()):
        if not each.hidden:
            yield from everything(each, f"{name} {below}")


def _section(name: str, command: Command) -> Iterator[str]:
    yield f"## {name}\n"
    yield f"{_sentences(command.help)}\n"
    below = sorted(word for word, each in getattr(command, "commands", {}).items() if not each.hidden)
    if below:
        place = name.replace(" ", "-")
        yield f"Below it: {', '.join(f'[{word}](#{place}-{word})' for word in below)}.\n"
    shown = [each for each in command.params if not getattr(each, "hidden", False)]
    arguments = [each for each in shown if each.param_type_name == "argument"]
    options = [each for each in shown if each.param_type_name == "option"]
    if arguments:
        rows = ([f"`{_called(each)}`", _sentences(each.help), "yes" if each.required else _default(each)] for each in arguments)
        yield table(["argument", "", "needed"], rows) + "\n"
    if options:
        rows = ([_spellings(each), _value(each), _default(each), _sentences(each.help)] for each in options)
        yield table(["option", "value", "default", ""], rows) + "\n"


def _sentences(text: str | None) -> str:
    """Return *text* with its paragraphs, each on a line."""
    return "\n\n".join(" ".join(part.split()) for part in (text or "").split("\n\n"))


def _called(argument: Command) -> str:
    return str(argument.metavar or argument.name).upper()


def _spellings(option: Command) -> str:
    return ", ".join(f"`{spelling}`" for spelling in (*option.opts, *option.secondary_opts))


def _value(option: Command) -> str:
    if option.is_flag:
        return ""
    of = option.type_descriptor.annotation
    kind = option.metavar or _KINDS.get(of, "TEXT")
    low, high = option.min, option.max
    bounds = f"{low:g} to {high:g}" if None not in (low, high) else f"at least {low:g}" if low is not None else ""
    many = ", may be repeated" if option.multiple else ""
    return f"`{kind}`{many}{f', {bounds}' if bounds else ''}"


def _default(parameter: Command) -> str:
    shown = parameter.default
    words = [f"`${parameter.envvar}`"] if parameter.envvar else []
    if parameter.required:
        words.append("**required**")
    elif shown is not None and shown is not False and shown not in ("", [], ()) and not callable(shown):
        words.append(f"`{shown:g}`" if isinstance(shown, float) else f"`{shown}`")
    return ", else ".join(words)
