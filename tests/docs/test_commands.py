"""Every command line on every page is one that its program takes."""

import re

import promql_parser
import pytest

from tests.docs import commandlines, pages
from tests.docs.commandlines import CommandError, Line
from tests.docs.pages import Block, Page

BLOCKS = [
    pytest.param(page, block, id=str(block))
    for page in pages.everything()
    for block in page.blocks
    if block.language in ("console", "sh")
]


def files(page: Page) -> frozenset[str]:
    """Return the files that *page* shows by their titles, or makes by its own commands."""
    shown = {block.title for block in page.blocks if block.title}
    made = {
        name
        for block in page.blocks
        if block.language in ("console", "sh")
        for line in commandlines.lines(block)
        for name in line.writes
    }
    # Examples are known by their names alone: whoever has installed has a copy.
    return frozenset({*shown, *made, *(path.name for path in (pages.ROOT / "manifests" / "examples").glob("*.yaml"))})


@pytest.mark.parametrize(("page", "block"), BLOCKS)
def test_every_line_is_one_that_its_program_takes(page: Page, block: Block) -> None:
    found = commandlines.lines(block)

    for line in found:
        commandlines.check(line, files=files(page))
    assert found, f"{block}: shows no command; what a program prints alone is `text`"


@pytest.mark.parametrize(("page", "block"), BLOCKS)
def test_every_query_in_a_line_is_promql(page: Page, block: Block) -> None:
    for line in commandlines.lines(block):
        for option, value in zip(line.words, line.words[1:], strict=False):
            if option == "--query":
                promql_parser.parse(value)


#: `leadtime …` in the middle of a sentence; what is cut short by an ellipsis or has a name to fill in is looked at up to there.
_NO_COMMANDS = {"leadtime reactive"}  # a policy of `leadtime compare`
_INLINE = re.compile(r"`((?:kubectl )?leadtime [a-z][^`]*)`")


@pytest.mark.parametrize("page", pages.everything(), ids=lambda page: page.name)
def test_every_command_in_a_sentence_has_a_name_and_options_that_exist(page: Page) -> None:
    wrong = []
    for match in _INLINE.finditer(" ".join(page.prose.split())):
        words = match[1].removeprefix("kubectl ").split()[1:]
        command, path = commandlines.root(), "leadtime"
        while words and words[0] in getattr(command, "commands", {}):
            command, path = command.commands[words[0]], f"{path} {words[0]}"
            words = words[1:]
        known = {spelling for each in command.params for spelling in (*each.opts, *each.secondary_opts)} | {"--help"}
        wrong += [match[1]] if path == "leadtime" and match[1] not in _NO_COMMANDS else []
        wrong += [
            f"{match[1]}: {word}" for word in words if word.startswith("-") and word != "-" and word.partition("=")[0] not in known
        ]

    assert wrong == []


def check(block: Block) -> None:
    """Hold every line of *block* to its program, on a page that shows no files."""
    for line in commandlines.lines(block):
        commandlines.check(line, files=frozenset())


# What finds nothing wrong is no check: each of these is wrong in one thing.


@pytest.mark.parametrize(
    ("typed", "why"),
    [
        ("leadtime statsu", "has no command statsu"),
        ("leadtime status --wide", "No such option"),
        ("leadtime recommend", "Missing option"),
        ("leadtime recommend --prometheus http://p:9090 --days 100", "days"),
        ("leadtime scaler check", "Missing argument"),
        ("leadtime scaler check nowhere.yaml", "neither in the repository nor shown"),
        ("leadtime import", "takes a command"),
        ("kubectl leadtime explain pod x", "has no command pod"),
        ("kubectl get isc --wide", "--wide is not known"),
        ("kubectl obtain isc", "not known to have a command obtain"),
        ("kubectl apply --filename manifests/nowhere.yaml", "neither in the repository nor shown"),
        ("kubectl apply --server-side=3 --filename -", "takes no value"),
        ("kubectl wait", "takes 1 to"),
        ("helm install leadtime", "takes 2 to 2 words"),
        ("helm install leadtime manifests/charts", "neither in the repository nor shown"),
        ("make docks", "has no target docks"),
        ("python -m benchmarks.nothing", "no module"),
        ("curl http://localhost", "nothing is known of curl"),
        ("kubectl get isc | leadtime import hpas -", "has no command hpas"),
    ],
)
def test_a_line_that_is_wrong_is_refused(typed: str, why: str) -> None:
    block = Block("page.md", 1, "console", "", f"$ {typed}\nwhat it answers\n")

    with pytest.raises(CommandError) as refused:
        check(block)

    assert why in str(refused.value)


def test_a_console_is_read_as_a_shell_would() -> None:
    text = "$ leadtime explain isc a/b \\\n    --record r.jsonl > told.txt  # why\nanswer\n$ A=1 make demo && make test\n"

    found = commandlines.lines(Block("page.md", 1, "console", "", text))

    assert found == (
        Line("page.md:1", ("leadtime", "explain", "isc", "a/b", "--record", "r.jsonl"), ("told.txt",)),
        Line("page.md:1", ("make", "demo")),
        Line("page.md:1", ("make", "test")),
    )


def test_without_a_prompt_every_line_is_typed() -> None:
    found = commandlines.lines(Block("page.md", 1, "console", "", "# first\nleadtime top\nleadtime status -w\n"))

    assert [str(line) for line in found] == ["leadtime top", "leadtime status -w"]
