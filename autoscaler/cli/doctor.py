"""`leadtime doctor`: what is wrong with an installation, each thing with what mends it."""

import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from autoscaler.cli import fleet, loads, reach, terminal

if TYPE_CHECKING:
    from adapter.kube.client import Kube
    from autoscaler.doctor.finding import Finding

_STYLES = {"error": "bold red", "warning": "yellow", "unseen": "dim", "note": "dim"}


def doctor(
    namespace: Annotated[str | None, typer.Option("--namespace", "-n", help="Look at the scalers of this namespace only.")] = None,
    installed: Annotated[str, typer.Option("--installed-in", help="The namespace that Leadtime is installed in.")] = "leadtime",
    prometheus: Annotated[
        str | None, typer.Option(help="Look at the GPUs' series in this Prometheus too, as it is reached from here.", metavar="URL")
    ] = None,
    token_file: Annotated[Path | None, typer.Option(help="The bearer token that Prometheus wants.", metavar="FILE")] = None,
    ca_file: Annotated[
        Path | None, typer.Option(help="The authorities that its certificate is from (PEM).", metavar="FILE")
    ] = None,
    deadline: Annotated[str, typer.Option(help="How long Prometheus may take to answer.")] = "10s",
    output: Annotated[str, typer.Option("--output", "-o", help="text, json or yaml.")] = "text",
    kubeconfig: reach.Kubeconfig = None,
    kube_context: reach.Context = None,
) -> None:
    """Find what is wrong with an installation and its InferenceScalers, and say what mends it. Nothing is changed.

    Without a right to look at something it says which right that is, and looks at the rest.

    Exit status: 0 if all is well, 1 if something is wrong, 3 if nothing is, as far as could be looked.
    """
    fleet.checked(output, ("text", "json", "yaml"))
    if prometheus is not None:
        loads.address(prometheus)
    deadline_s = loads.seconds(deadline, "--deadline")

    async def examine(kube: "Kube") -> "tuple[Finding, ...]":
        from autoscaler.doctor import diagnosis
        from autoscaler.doctor import prometheus as series
        from autoscaler.doctor.reader import Reader
        from autoscaler.doctor.seen import Names

        has = None
        if prometheus is not None:
            has = await series.look(prometheus, deadline_s=deadline_s, token_file=token_file, ca_file=ca_file)
        reader = Reader(kube, Names(namespace=installed), clock=time.time, namespace=namespace)
        return diagnosis.diagnose(await reader.look(has))

    findings = reach.connected(examine, kubeconfig, kube_context)
    if output == "text":
        _tell(findings, gpus=prometheus is not None)
    else:
        fleet.dump({"findings": [_facts(finding) for finding in findings]}, output)
    levels = {finding.level for finding in findings}
    raise typer.Exit(1 if levels & {"error", "warning"} else 3 if "unseen" in levels else 0)


def _facts(finding: "Finding") -> dict[str, str]:
    names = ("check", "level", "about", "says", "fix")
    return {name: str(getattr(finding, name)) for name in names}


def _tell(findings: "Sequence[Finding]", *, gpus: bool) -> None:
    from rich.padding import Padding
    from rich.text import Text

    from autoscaler.cli.tables import cell

    for finding in findings:
        level = cell(finding.level, style=_STYLES[finding.level])
        # Not broken into lines: a name, or what mends it, is copied as it stands.
        terminal.show(
            Text.assemble(level, f" {finding.check}: ", cell(finding.about), no_wrap=True, overflow="ignore"),
            Padding(cell(finding.says), (0, 0, 0, 2), expand=False),
            Text.assemble("  ", ("fix: ", "bold"), cell(finding.fix), no_wrap=True, overflow="ignore"),
        )
    counts = {level: sum(finding.level == level for finding in findings) for level in _STYLES}
    said = [
        f"{count} {words if count != 1 else word}"
        for count, word, words in (
            (counts["error"], "error", "errors"),
            (counts["warning"], "warning", "warnings"),
            (counts["unseen"], "thing that could not be looked at", "things that could not be looked at"),
        )
        if count
    ]
    terminal.show(Text(", ".join(said) if said else "all is well"))
    if not gpus:
        terminal.show(Text("the GPUs' series were not looked at: --prometheus URL does", style="dim"))
