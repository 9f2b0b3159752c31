"""`leadtime import`: bring the configuration of another system along; what cannot be carried over is said, never dropped."""

import sys
from pathlib import Path
from typing import Annotated

import typer

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
    for path, note in converted.notes:
        print(f"to look at: {path}: {note}", file=sys.stderr)
    for path, reason in converted.refused:
        print(f"not converted: {path}: {reason}", file=sys.stderr)
    print(f"{len(converted.rules)} rules converted, {len(converted.refused)} refused", file=sys.stderr)
    if converted.refused:
        raise typer.Exit(1)
