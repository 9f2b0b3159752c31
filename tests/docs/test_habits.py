"""The pages of a person's commands say what the program does: each command, each verdict, each number."""

import re

import typer.core
import typer.main

from adapter.snapshot import rfc3339
from autoscaler.advice import asking, budget
from autoscaler.advice.verdict import WORTH_RATIO, Advice
from autoscaler.cli import main
from autoscaler.decision.schedule import Boost
from autoscaler.doctor import reader
from autoscaler.doctor.finding import Check
from autoscaler.resource import boosts
from tests.docs import pages

COMMANDS = (pages.DOCS / "commands.md").read_text(encoding="utf-8")
DOCTOR = (pages.DOCS / "doctor.md").read_text(encoding="utf-8")
SCALER = (pages.DOCS / "inferencescaler.md").read_text(encoding="utf-8")


def test_every_command_that_asks_a_cluster_for_a_person_is_shown() -> None:
    group = typer.main.get_command(main.app)
    assert isinstance(group, typer.core.TyperGroup)
    daemons = {"adapter", "autoscaler"}
    asking_ = {"recommend"} | {
        name
        for name, command in group.commands.items()
        for each in (getattr(command, "commands", None) or {name: command}).values()
        if name not in daemons and any("--kubeconfig" in option.opts for option in each.params)
    }

    shown = set(re.findall(r"^leadtime ([a-z]+)", COMMANDS, re.MULTILINE))
    assert shown == asking_


def test_the_verdicts_are_those_that_there_are() -> None:
    assert re.findall(r"^\| `([a-z]+)` \|", COMMANDS[COMMANDS.index("| verdict |") :], re.MULTILINE)[: len(Advice)] == list(Advice)
    assert WORTH_RATIO == 0.1
    assert "at least a tenth fewer GPU-hours" in COMMANDS


def test_the_budget_is_the_programs() -> None:
    text = " ".join(COMMANDS.split())

    assert f"at most {budget.DISCOVERIES} + {budget.PER_DEPLOYMENT} × `--limit` queries" in text
    first, *others, last = (f"{pause_s:g}" for pause_s in asking.PAUSES_S)
    assert f"left alone for {', '.join((first, *others))} and {last} s" in text
    assert f"There are {budget.AGAIN} queries for that altogether" in text
    assert (budget.STEPS_S[0], budget.STEPS_S[-1]) == (60, 3600)
    assert "from once an hour to once a minute" in text


def test_a_boost_is_written_as_the_page_shows_it() -> None:
    (shown,) = re.findall(r"`leadtime\.dev/boost: (.*?)`", SCALER)

    boost = boosts.parse(shown)

    assert boosts.ANNOTATION == "leadtime.dev/boost"
    assert boost == Boost(min_replicas=6, until=boost.until)
    assert rfc3339(boost.until) == "2027-01-15T09:30:00Z"


def test_every_check_of_the_doctors_is_told_and_no_other() -> None:
    table = DOCTOR[DOCTOR.index("| check |") : DOCTOR.index("\n\n", DOCTOR.index("| check |"))]

    assert re.findall(r"`([a-z-]+)`", " ".join(row.split("|")[1] for row in table.splitlines())) == list(Check)


def test_how_many_metrics_the_doctor_asks_for_is_said() -> None:
    assert f"the first {reader.MOST_METRICS:,}" in " ".join(DOCTOR.split())
