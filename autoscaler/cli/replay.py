"""`leadtime replay`: take recorded decisions again, to check them or to ask what another policy would have decided."""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from autoscaler.cli import terminal

if TYPE_CHECKING:
    from autoscaler.report.replay import Replayed

_SHOWN = 20


def replay(
    file: Annotated[Path, typer.Argument(help="A record, as the controller's --record writes it.")],
    target: Annotated[str | None, typer.Option(help="This scaler's decisions only.", metavar="NAMESPACE/NAME")] = None,
    without: Annotated[
        list[str] | None, typer.Option(help="Ask what it would have been without this rule, such as Cooldown.", metavar="RULE")
    ] = None,
    settings: Annotated[
        list[str] | None,
        typer.Option("--set", help="Ask what it would have been with another setting.", metavar="scale_down.cooldown_s=60"),
    ] = None,
) -> None:
    """Take every decision of a record again and compare the integers, or say where a rule or a setting would have changed them.

    Exit status: 0 if every integer is reproduced (or a what-if was told), 1 if one is not, 2 if the record cannot be read.
    """
    from autoscaler.report import record

    try:
        records = record.read(file, tell=_tell, target=target)
        if without or settings:
            _what_if(records, without or [], settings or [])
            return
        faithful = _check(records, f"{file} has no decision{f' of {target}' if target else ''}")
    except (record.RecordError, OSError) as error:
        terminal.complain(f"error: {error}")
        raise typer.Exit(2) from error
    raise typer.Exit(0 if faithful else 1)


def _check(records: Iterable[Any], nothing: str) -> bool:
    from autoscaler.report import replay as replaying

    replayed = replaying.check(records)
    for one in replayed:
        terminal.tell(*_told(one))
    if not replayed:
        terminal.complain(f"error: {nothing}")
    return bool(replayed) and all(one.faithful for one in replayed)


def _told(one: "Replayed") -> Iterator[str]:
    from adapter.snapshot import rfc3339

    yield f"{one.target}: {one.decisions} decisions from {rfc3339(one.first_at)} to {rfc3339(one.last_at)}"
    yield f"  from each record alone: {one.reproduced} of {one.decisions} integers reproduced"
    restarts = f" (begun anew {one.begun - 1} times)" if one.begun > 1 else ""
    yield f"  with memory handed on: {one.chained} of {one.decisions} integers reproduced{restarts}"
    for mismatch in one.mismatches[:_SHOWN]:
        way = "with memory handed on" if mismatch.chained else "from its record"
        recorded, again = (f"{replicas} ({serving} serving)" for replicas, serving in (mismatch.recorded, mismatch.again))
        yield f"  {rfc3339(mismatch.at)}: recorded {recorded}, {way} {again}"
    if len(one.mismatches) > _SHOWN:
        yield f"  and {len(one.mismatches) - _SHOWN} more"


def _what_if(records: Iterable[Any], without: list[str], settings: list[str]) -> None:
    from adapter.snapshot import rfc3339
    from autoscaler.report import replay as replaying

    rules = frozenset(map(_rule, without))
    changes = [_setting(setting) for setting in settings]
    count = 0
    try:
        for target, run in replaying.what_if(records, without=rules, settings=changes):
            count += run.decisions
            span = rfc3339(run.since) if run.decisions == 1 else f"{rfc3339(run.since)} to {rfc3339(run.until)}"
            terminal.tell(f"{target} {span}: {run.otherwise} instead of {run.recorded} ({run.decisions} decisions)")
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint="--set") from error
    terminal.tell(f"{count} decisions would have been other ones")


def _rule(name: str) -> Any:
    from autoscaler.decision.model import Rule

    try:
        return Rule(name)
    except ValueError as error:
        raise typer.BadParameter(f"{name!r} is none of {', '.join(Rule)}", param_hint="--without") from error


def _setting(text: str) -> tuple[str, Any]:
    import msgspec

    path, equals, value = text.partition("=")
    if not equals:
        raise typer.BadParameter(f"{text!r} is not NAME=VALUE", param_hint="--set")
    try:
        return path, msgspec.json.decode(value)
    except msgspec.DecodeError:
        return path, value  # a word, such as Band


def _tell(words: str) -> None:
    terminal.complain(f"note: {words}")
