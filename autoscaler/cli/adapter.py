"""`leadtime adapter`: run the daemon, check its configuration, list its presets."""

from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(help="Serve GPU and queue metrics as custom.metrics.k8s.io.", invoke_without_command=True, rich_markup_mode=None)


@app.callback()
def serve(
    context: typer.Context,
    config: Annotated[Path | None, typer.Option(help="The configuration file: sources and rules.", metavar="FILE")] = None,
    address: Annotated[str, typer.Option(help="Address to listen on.")] = "0.0.0.0",  # noqa: S104 - a pod's Service reaches it there
    port: Annotated[int, typer.Option(help="Port to listen on (HTTPS).", min=0, max=65535)] = 6443,
    service: Annotated[str, typer.Option(help="Our own Service, as the APIServices name it.")] = "leadtime-adapter",
    namespace: Annotated[str, typer.Option(help="Our own namespace.", envvar="POD_NAMESPACE")] = "leadtime",
    replica: Annotated[str, typer.Option(help="Our own name among the replicas.", envvar="POD_NAME")] = "adapter",
    external: Annotated[bool, typer.Option("--external", help="Serve external.metrics.k8s.io too: one owner per cluster.")] = False,
    tls_cert_file: Annotated[
        Path | None, typer.Option(help="Serving certificate (PEM), read again when it changes. Without it: a CA of our own.")
    ] = None,
    tls_key_file: Annotated[Path | None, typer.Option(help="Its key (PEM).")] = None,
    kubeconfig: Annotated[Path | None, typer.Option(help="A kubeconfig; without it the cluster we run in, then your own.")] = None,
    kube_context: Annotated[str | None, typer.Option("--context", help="The kubeconfig's context.")] = None,
    watch_namespace: Annotated[
        list[str] | None, typer.Option(help="Watch pods of this namespace only (repeat for several); all of them by default.")
    ] = None,
    drain_seconds: Annotated[
        float, typer.Option(help="How long to go on serving after SIGTERM, while endpoints propagate.", min=0.0)
    ] = 10.0,
    log_format: Annotated[str, typer.Option(help="json or console.")] = "json",
) -> None:
    """Serve metrics until SIGTERM. `leadtime adapter check FILE` checks a configuration without running it."""
    if context.invoked_subcommand is not None:
        return
    if config is None:
        raise typer.BadParameter("say which configuration file to use: --config FILE", param_hint="--config")
    if (tls_cert_file is None) != (tls_key_file is None):
        raise typer.BadParameter("a certificate needs its key: give --tls-cert-file and --tls-key-file together")
    if log_format not in {"json", "console"}:
        raise typer.BadParameter(f"{log_format!r} is neither json nor console", param_hint="--log-format")
    from adapter import imports

    with imports.without("rich"):  # structlog would load it, for tracebacks that no daemon prints
        from adapter.daemon import Options, main

    raise typer.Exit(
        main(
            Options(
                config=config,
                address=address,
                port=port,
                service=service,
                namespace=namespace,
                replica=replica,
                external=external,
                tls_cert_file=tls_cert_file,
                tls_key_file=tls_key_file,
                kubeconfig=kubeconfig,
                kube_context=kube_context,
                watch_namespaces=tuple(watch_namespace or ()),
                drain_s=drain_seconds,
                log_format=log_format,
            )
        )
    )


@app.command()
def check(file: Annotated[Path, typer.Argument(help="The configuration file to check.")]) -> None:
    """Report every problem of a configuration file with its line, and exit with status 2 if there is one."""
    from adapter import settings

    read = settings.load(file)
    metrics = {rule.metric for rule in read.rules}
    print(f"{file}: ok; sources: {len(read.sources)}, rules: {len(read.rules)}, metrics: {len(metrics)}")


@app.command("presets")
def list_presets(name: Annotated[str | None, typer.Argument(help="List this preset's metrics.")] = None) -> None:
    """List the presets, or the metrics that one of them serves."""
    from adapter.rules import presets

    if name is None:
        width = max(map(len, presets.names()))
        for preset in presets.names():
            print(f"{preset:<{width}}  {presets.describe(preset)}")
        return
    if name not in presets.names():
        raise typer.BadParameter(f"there is no preset {name}: {', '.join(presets.names())}", param_hint="NAME")
    for rule in presets.rules(name, source="SOURCE"):
        first = rule.of[0].any_of[0].selection
        print(f"{rule.metric:<36}  {first}")
