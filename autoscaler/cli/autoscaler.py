"""`leadtime autoscaler`: run the controller."""

import os
import socket
from pathlib import Path
from typing import Annotated

import typer

_LAST_PORT = 65535
_LOOPBACK = frozenset({"127.0.0.1", "::1", "localhost"})

app = typer.Typer(
    help="Set the replicas of what InferenceScalers name, ahead of the load.", invoke_without_command=True, rich_markup_mode=None
)


@app.callback()
def steer(
    context: typer.Context,
    namespace: Annotated[
        str, typer.Option(help="Our own namespace, where the Lease and the memory live.", envvar="POD_NAMESPACE")
    ] = "leadtime",
    identity: Annotated[
        str, typer.Option(help="Our name among the replicas; host and process without it.", envvar="POD_NAME")
    ] = "",
    address: Annotated[str, typer.Option(help="Address to listen on.")] = "0.0.0.0",  # noqa: S104 - a pod's Service reaches it there
    port: Annotated[int, typer.Option(help="Port for probes and metrics (HTTPS).", min=0, max=65535)] = 8443,
    service: Annotated[str, typer.Option(help="Our own Service: the name in our certificate.")] = "leadtime-autoscaler",
    tls_cert_file: Annotated[
        Path | None, typer.Option(help="Serving certificate (PEM), read again when it changes. Without it: one of our own.")
    ] = None,
    tls_key_file: Annotated[Path | None, typer.Option(help="Its key (PEM).")] = None,
    kubeconfig: Annotated[Path | None, typer.Option(help="A kubeconfig; without it the cluster we run in, then your own.")] = None,
    kube_context: Annotated[str | None, typer.Option("--context", help="The kubeconfig's context.")] = None,
    watch_namespace: Annotated[
        list[str] | None, typer.Option(help="Steer this namespace only (repeat for several); all of them by default.")
    ] = None,
    period: Annotated[float, typer.Option(help="Seconds between two decisions on a target at rest.", min=0.1, max=15.0)] = 5.0,
    read_period: Annotated[float, typer.Option(help="Seconds between two reads of a metric, at best.", min=0.1, max=15.0)] = 1.0,
    record: Annotated[
        Path | None, typer.Option(help="Write every decision, with all that it came from, to this file.", metavar="FILE")
    ] = None,
    prices: Annotated[
        Path | None, typer.Option(help="What a GPU-hour costs, by product; read again when it changes.", metavar="FILE")
    ] = None,
    state_dir: Annotated[
        Path | None, typer.Option(help="Keep what forecasts have learned in this folder, over restarts.", metavar="FOLDER")
    ] = None,
    prometheus_url: Annotated[
        str, typer.Option(help="The Prometheus that new targets learn their past from; without it they start cold.", metavar="URL")
    ] = "",
    prometheus_token_file: Annotated[Path | None, typer.Option(help="A bearer token for it.", metavar="FILE")] = None,
    prometheus_ca_file: Annotated[Path | None, typer.Option(help="The authority of its certificate (PEM).", metavar="FILE")] = None,
    refit_hours: Annotated[
        float,
        typer.Option(
            help="Fit each target's models anew this often, 1 to 24, in a process of its own; 0 is never.", min=0.0, max=24.0
        ),
    ] = 0.0,
    bucket_seconds: Annotated[int, typer.Option(min=1, max=3600, hidden=True)] = 60,
    day_seconds: Annotated[int, typer.Option(min=60, hidden=True)] = 86_400,
    page: Annotated[
        str, typer.Option(help="Serve the web page here, over TLS, to whoever may list scalers.", metavar="ADDRESS:PORT")
    ] = "",
    page_key_file: Annotated[
        Path | None,
        typer.Option(help="Serve it without TLS, on loopback only, to whoever has the key in this file.", metavar="FILE"),
    ] = None,
    drain_seconds: Annotated[float, typer.Option(help="How long to stay reachable after SIGTERM.", min=0.0)] = 3.0,
    log_format: Annotated[str, typer.Option(help="json or console.")] = "json",
) -> None:
    """Steer until SIGTERM. Of several replicas one steers and the others stand by."""
    if context.invoked_subcommand is not None:
        return
    if (tls_cert_file is None) != (tls_key_file is None):
        raise typer.BadParameter("a certificate needs its key: give --tls-cert-file and --tls-key-file together")
    if 0.0 < refit_hours < 1.0:
        raise typer.BadParameter("a day's shape is not new every minute: 0, or 1 to 24", param_hint="--refit-hours")
    if day_seconds % bucket_seconds:
        raise typer.BadParameter(f"{bucket_seconds} s must divide a day of {day_seconds} s", param_hint="--bucket-seconds")
    if state_dir is not None and not state_dir.is_dir():
        raise typer.BadParameter(f"{state_dir} is no folder: create it, or mount a volume there", param_hint="--state-dir")
    if log_format not in {"json", "console"}:
        raise typer.BadParameter(f"{log_format!r} is neither json nor console", param_hint="--log-format")
    from adapter import imports

    with imports.without("rich"):  # structlog would load it, for tracebacks that no daemon prints
        from autoscaler.daemon import main
    from autoscaler.settings import Foresight, Options, Pace, Page

    found = _page(page, page_key_file)

    raise typer.Exit(
        main(
            Options(
                namespace=namespace,
                identity=identity or f"{socket.gethostname()}-{os.getpid()}",
                address=address,
                port=port,
                service=service,
                tls_cert_file=tls_cert_file,
                tls_key_file=tls_key_file,
                kubeconfig=kubeconfig,
                kube_context=kube_context,
                watch_namespaces=tuple(watch_namespace or ()),
                pace=Pace(tick_s=period, read_s=read_period),
                foresight=Foresight(
                    state_dir=state_dir,
                    history_url=prometheus_url,
                    history_token_file=prometheus_token_file,
                    history_ca_file=prometheus_ca_file,
                    refit_hours=refit_hours,
                    step_s=bucket_seconds,
                    day_s=day_seconds,
                ),
                prices=prices,
                page=Page(address=found[0], port=found[1], key_file=page_key_file) if found is not None else None,
                record=record,
                drain_s=drain_seconds,
                log_format=log_format,
            )
        )
    )


def _page(where: str, key_file: Path | None) -> tuple[str, int] | None:
    """Return the address and the port of the web page, or None where there is to be none."""
    if not where:
        if key_file is not None:
            raise typer.BadParameter("there is no page without an address: give --page too", param_hint="--page-key-file")
        return None
    host, colon, digits = where.rpartition(":")
    if not colon or not digits.isascii() or not digits.isdigit() or int(digits) > _LAST_PORT:
        raise typer.BadParameter(f"{where!r} is no address with a port, such as 127.0.0.1:8444", param_hint="--page")
    address = host.removeprefix("[").removesuffix("]") or "0.0.0.0"  # noqa: S104 - ":8444" is how one says every address
    if key_file is not None and address not in _LOOPBACK:
        raise typer.BadParameter(
            f"{address} is not loopback: without TLS, everybody on the way reads the key; leave --page-key-file out",
            param_hint="--page",
        )
    return address, int(digits)
