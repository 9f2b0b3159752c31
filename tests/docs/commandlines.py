"""The command lines of a page, taken apart as a shell would, and each held to what its program takes. Nothing is run.

`leadtime` is asked by its own parser. Of other programs a grammar knows the commands and options that the pages use, and
`tests/cluster/test_docs.py` holds that grammar to what the built programs say of themselves.
"""

import importlib.util
import re
import shlex
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache

import typer.main

from autoscaler.cli import main
from tests.docs.grammars import EVERYWHERE, GRAMMARS, PLAIN, Grammar
from tests.docs.pages import ROOT, Block

#: Blocks that show a terminal: with a prompt what follows it is typed, and the rest is what the terminal answers.
CONSOLE = "console"
#: Blocks in which every line is typed.
SHELL = ("sh", "shell", "bash")

_PROMPT = "$ "
_OPERATORS = {"|", "||", "&&", ";", "&"}
_REDIRECTIONS = {">", ">>", "<"}


@cache
def root() -> typer.core.TyperGroup:
    """Return the program's command line."""
    return typer.main.get_command(main.app)


class CommandError(AssertionError):
    """A program does not take a command line; the message has the line and why."""


@dataclass(frozen=True, slots=True)
class Line:
    """One program with its words, as it stands on a page."""

    where: str
    words: tuple[str, ...]
    writes: tuple[str, ...] = ()  # files that its output goes to

    def __str__(self) -> str:
        """Return it as it would be typed."""
        return shlex.join(self.words)


def lines(block: Block) -> tuple[Line, ...]:
    """Return every program that *block* calls, those behind a pipe too."""
    return tuple(line for typed in _typed(block) for line in _programs(typed, str(block)))


def _typed(block: Block) -> Iterator[str]:
    """Yield each line that is typed, with the lines that it goes on in."""
    text = block.text.splitlines()
    prompts = block.language == CONSOLE and any(line.startswith(_PROMPT) for line in text)
    going_on = ""
    for line in text:
        if going_on:
            typed = going_on + line.strip()
        elif prompts and not line.startswith(_PROMPT):
            continue
        else:
            typed = line.removeprefix(_PROMPT).strip()
        if typed.endswith("\\"):
            going_on = typed[:-1].rstrip() + " "
            continue
        going_on = ""
        if typed and not typed.startswith("#"):
            yield typed
    if going_on:
        raise CommandError(f"{block}: the last line goes on nowhere: {going_on}")


def _programs(typed: str, where: str) -> Iterator[Line]:
    lexer = shlex.shlex(typed, posix=True, punctuation_chars="|&;<>")
    lexer.whitespace_split = True
    lexer.commenters = "#"
    words: list[str] = []
    writes: list[str] = []
    tokens = iter([*lexer, ";"])
    for token in tokens:
        if token in _OPERATORS:
            if words:
                yield Line(where, tuple(words), tuple(writes))
            words, writes = [], []
        elif token in _REDIRECTIONS:
            writes.append(next(tokens))
        elif not words and re.fullmatch(r"[A-Z_]+=\S*", token):
            continue  # a variable for the program's environment
        else:
            words.append(token)


# ── leadtime ─────────────────────────────────────────────────────────────────────────────────────────────────────────────────

#: These end the program where they are met, so they are looked for and not parsed.
_EAGER = {"--help", "--version", "--install-completion", "--show-completion"}


def check_leadtime(words: Sequence[str]) -> None:
    """Raise `CommandError` unless the program's own parser takes *words*, which follow its name."""
    command = root()
    rest, path, context = list(words), "leadtime", None
    while True:
        if rest and rest[0] in _EAGER:
            known = {spelling for each in command.get_params(_bare(command)) for spelling in each.opts}
            if rest[0] not in known:
                raise CommandError(f"{path} has no {rest[0]}")
            return
        if not rest and getattr(command, "commands", None) and not getattr(command, "invoke_without_command", False):
            raise CommandError(f"{path} takes a command: {', '.join(command.commands)}")
        try:
            context = command.make_context(path, rest, parent=context)
        except Exception as error:  # typer keeps its parser's classes to itself
            raise CommandError(f"{path} {shlex.join(rest)}: {_words(error)}") from error
        rest = [*context._protected_args, *context.args]
        below = getattr(command, "commands", None)
        if not below or not rest:
            if rest:
                raise CommandError(f"{path} does not take {shlex.join(rest)}")
            return
        if rest[0] not in below:
            raise CommandError(f"{path} has no command {rest[0]}: {', '.join(below)}")
        command, path, rest = below[rest[0]], f"{path} {rest[0]}", rest[1:]


def _words(error: Exception) -> str:
    return str(error.format_message()) if hasattr(error, "format_message") else repr(error)


def _bare(command: typer.core.TyperGroup) -> typer.Context:
    return command.context_class(command)


# ── other programs ───────────────────────────────────────────────────────────────────────────────────────────────────────────


def check(line: Line, *, files: frozenset[str]) -> None:
    """Raise `CommandError` unless the program of *line* takes it; *files* are those that its page shows or makes."""
    program, *words = line.words
    try:
        if program == "leadtime":
            _check_leadtime(words, files)
        elif program == "kubectl" and words[:1] == ["leadtime"]:
            _check_leadtime(words[1:], files)
        elif program == "make":
            _check_make(words)
        elif program in ("python", "python3"):
            _check_python(words)
        elif program in PLAIN:
            _parse(program, PLAIN[program], words, files)
        else:
            _check_other(program, words, files)
    except CommandError as error:
        raise CommandError(f"{line.where}: {line}: {error}") from error


def _check_leadtime(words: Sequence[str], files: frozenset[str]) -> None:
    check_leadtime(words)
    for word in words:
        path = word.partition("=")[2] if word.startswith("--") else word
        if path.endswith((".yaml", ".yml")):
            _check_file(path, files)


def _check_other(program: str, words: Sequence[str], files: frozenset[str]) -> None:
    commands = GRAMMARS.get(program)
    if commands is None:
        raise CommandError(f"nothing is known of {program}: {', '.join(sorted({*GRAMMARS, *PLAIN, 'leadtime', 'make', 'python'}))}")
    everywhere = EVERYWHERE.get(program, Grammar())
    words = _without_leading(words, everywhere)
    for length in (2, 1):
        grammar = commands.get(" ".join(words[:length]))
        if grammar is not None:
            both = Grammar(grammar.takes | everywhere.takes, grammar.flags | everywhere.flags, grammar.least, grammar.most)
            _parse(program, both, words[length:], files)
            return
    raise CommandError(f"{program} is not known to have a command {' '.join(words[:2])}: it has {', '.join(commands)}")


def _without_leading(words: Sequence[str], everywhere: Grammar) -> list[str]:
    """Return *words* from the command on: what every command takes may stand before it."""
    rest = list(words)
    while rest and rest[0].startswith("-"):
        name, equals, _ = rest[0].partition("=")
        if name not in everywhere.takes:
            raise CommandError(f"{name} is not known before a command")
        rest = rest[1 if equals else 2 :]
    return rest


def _parse(program: str, grammar: Grammar, words: Sequence[str], files: frozenset[str]) -> None:
    others: list[str] = []
    rest = list(words)
    while rest:
        word = rest.pop(0)
        if word == "--":
            break  # what follows is for a program in a container
        if not word.startswith("-") or word == "-":
            others.append(word)
            continue
        name, equals, value = word.partition("=")
        if name not in grammar.options:
            raise CommandError(f"{name} is not known: {', '.join(sorted(grammar.options))}")
        if name in grammar.flags:
            if equals:
                raise CommandError(f"{name} takes no value")
            continue
        if not equals:
            if not rest:
                raise CommandError(f"{name} takes a value")
            value = rest.pop(0)
        if name in (
            "--filename",
            "-f",
            "--kustomize",
            "-k",
            "--values",
            "--patch-file",
            "--from-file",
            "--file",
            "--requirement",
            "-r",
        ):
            _check_file(value, files)
    if not grammar.least <= len(others) <= grammar.most:
        raise CommandError(f"takes {grammar.least} to {grammar.most} words, and these are {len(others)}: {' '.join(others)}")
    for each in others:
        # `kubectl delete ingress/NAME` has a slash too; what lies in the repository begins with one of its folders.
        if program in ("helm", "promtool", "podman", "cat") and "/" in each and (ROOT / each.partition("/")[0]).is_dir():
            _check_file(each, files)


def _check_file(name: str, files: frozenset[str]) -> None:
    """Raise unless *name* is in the repository, on the page, or a place to put one of the reader's own (``FILE``)."""
    path = name.partition("=")[2] if re.match(r"[\w.]+=", name) else name
    if path == "-" or path in files or path.isupper() or (ROOT / path).exists():
        return
    raise CommandError(f"{path} is neither in the repository nor shown on the page with its name")


def _check_make(words: Sequence[str]) -> None:
    there = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), flags=re.MULTILINE))
    targets = [word for word in words if "=" not in word]
    if missing := [word for word in targets if word not in there]:
        raise CommandError(f"the Makefile has no target {', '.join(missing)}")


def _check_python(words: Sequence[str]) -> None:
    if words[:1] != ["-m"] or len(words) < 2:
        raise CommandError("is called with -m and a module")
    if importlib.util.find_spec(words[1]) is None:
        raise CommandError(f"there is no module {words[1]}")
