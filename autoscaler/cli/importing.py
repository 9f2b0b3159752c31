"""`leadtime import`: bring the configuration of another system along; what cannot be carried over is said, never dropped."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from autoscaler.cli import terminal

if TYPE_CHECKING:
    from autoscaler.resource.hpa import Converted

app = typer.Typer(help="Convert another system's configuration into ours.", no_args_is_help=True, rich_markup_mode=None)


@app.callback()
def _group() -> None:
    pass


@app.command("prometheus-adapter")
def prometheus_adapter(
    file: Annotated[Path, typer.Argument(help="prometheus-adapter's rules: its config file, or the ConfigMap that holds it.")],
    url: Annotated[str, typer.Option(help="The Prometheus that the rules query.")] = "http://prometheus-k8s.monitoring.svc:9090",
) -> None:
    """Print our configuration for prometheus-adapter's rules; refused ones go to standard error, and exit with status 1."""
    import yaml

    from adapter import errors
    from adapter.rules import prometheus_adapter as theirs

    try:
        document = yaml.safe_load(file.read_text(encoding="utf-8"))
        if isinstance(document, dict) and document.get("kind") == "ConfigMap":
            data = document.get("data")
            document = yaml.safe_load(next(iter(data.values()), "")) if isinstance(data, dict) else None
    except (OSError, ValueError, yaml.YAMLError) as error:
        raise errors.ConfigError(str(file), [errors.Problem("", f"cannot be read as YAML: {error}")]) from error
    if not isinstance(document, dict):
        raise errors.ConfigError(str(file), [errors.Problem("", "is no prometheus-adapter configuration: a mapping with rules")])
    converted = theirs.convert(document, source="prometheus")
    ours = {"sources": [{"name": "prometheus", "prometheus": {"url": url}}], "rules": converted.rules}
    print(yaml.safe_dump(ours, sort_keys=False, width=120), end="")
    _say(converted.notes, converted.refused)
    terminal.complain(f"{len(converted.rules)} rules converted, {len(converted.refused)} refused")
    if converted.refused:
        raise typer.Exit(1)


_FILE = typer.Argument(help="A file of manifests, or - for standard input, as in: kubectl get … --output=yaml | leadtime import …")


@app.command("hpa")
def hpa(file: Annotated[Path, _FILE]) -> None:
    """Print an InferenceScaler for each autoscaling/v2 HorizontalPodAutoscaler, in mode Recommend, to run beside it.

    What is not carried over goes to standard error, and exit with status 1.
    """
    from autoscaler.resource import hpa as theirs

    objects, others = _objects(file, "HorizontalPodAutoscaler")
    converted = [theirs.convert(each) for each in objects]
    _print(converted)
    _report(objects, converted, others)


@app.command("scaledobject")
def scaledobject(
    file: Annotated[Path, _FILE],
    adapter_config: Annotated[
        Path | None, typer.Option(help="Write the adapter's configuration here; without it, it follows as comments.")
    ] = None,
) -> None:
    """Print an InferenceScaler for each KEDA ScaledObject, in mode Recommend, and the adapter's rules for its queries.

    What is not carried over goes to standard error, and exit with status 1.
    """
    import yaml

    from autoscaler.resource import scaledobject as theirs

    objects, others = _objects(file, "ScaledObject")
    adapter = theirs.Adapter()
    converted = [theirs.convert(each, adapter) for each in objects]
    configuration = adapter.document()
    text = "" if configuration is None else yaml.safe_dump(configuration, sort_keys=False, width=120)
    if text and adapter_config is not None:
        _write(adapter_config, text)
    _print(converted)
    if text and adapter_config is None:
        terminal.tell("# The adapter's configuration for these metrics:", *(f"# {line}" for line in text.splitlines()))
    _report(objects, converted, others)


def _objects(file: Path, kind: str) -> tuple[list[Mapping[str, Any]], list[str]]:
    """Return the objects of *kind* in *file*, and the names of what else is there."""
    from adapter import errors
    from autoscaler.cli import manifests

    objects, others = manifests.of_kind(manifests.read(file), kind)
    if not objects:
        raise errors.ConfigError(str(file), [errors.Problem("", f"holds no {kind}")])
    return objects, [f"{other}: is no {kind}" for other in others]


def _write(file: Path, text: str) -> None:
    from adapter import errors

    try:
        file.write_text(text, encoding="utf-8")
    except OSError as error:
        raise errors.ConfigError(str(file), [errors.Problem("", f"cannot be written: {error.strerror}")]) from error


def _print(converted: Sequence["Converted"]) -> None:
    import yaml

    documents = [each.document for each in converted if each.document is not None]
    if documents:
        print(yaml.safe_dump_all(documents, sort_keys=False, width=120), end="")


def _report(objects: Sequence[Mapping[str, Any]], converted: Sequence["Converted"], others: Sequence[str]) -> None:
    """Say what a person should know of each of *objects*, and exit with status 1 if something was left behind."""
    from autoscaler.cli import manifests

    wrong = 0
    for told, each in zip(objects, converted, strict=True):
        name = manifests.name(told)
        _say(((f"{name}: {path}", note) for path, note in each.notes), ((f"{name}: {path}", why) for path, why in each.refused))
        problems = manifests.problems(each.document) if each.document is not None else ()
        for problem in problems:
            terminal.complain(f"to mend: {name}: {problem}")
        wrong += len(problems) + len(each.refused)
    for other in others:
        terminal.complain(f"not converted: {other}")
    terminal.complain(f"{sum(each.document is not None for each in converted)} of {len(objects)} converted")
    if wrong:
        raise typer.Exit(1)


def _say(notes: Iterable[tuple[str, str]], refused: Iterable[tuple[str, str]]) -> None:
    for path, note in notes:
        terminal.complain(f"to look at: {path}: {note}")
    for path, reason in refused:
        terminal.complain(f"not converted: {path}: {reason}")
