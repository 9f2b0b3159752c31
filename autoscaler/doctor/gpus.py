"""What may be wrong with the series of GPUs, as a Prometheus has them and as dcgm-exporter makes them."""

from collections.abc import Iterator

from autoscaler.doctor.finding import Check, Finding, Level
from autoscaler.doctor.installation import unseen
from autoscaler.doctor.seen import Seen, Series, Unread

#: What an exporter does that is not told otherwise.
DEFAULT_INTERVAL_S = 30.0
#: The longest time from the GPU to the rule with which a value still counts; the presets' maxAge.
_MAX_AGE_S = 90.0


def check(seen: Seen) -> Iterator[Finding]:
    """Yield everything that is wrong."""
    if isinstance(seen.exporters, Unread):
        yield unseen(seen.exporters)
    if isinstance(seen.series, Unread):
        yield unseen(seen.series)
    elif seen.series is not None:
        yield from _labels(seen.series)
        yield from _twice(seen.series)
    yield from _pace(seen)


def _labels(series: Series) -> Iterator[Finding]:
    about = "DCGM series in Prometheus"
    if not series.plain + series.exported + series.bare:
        fix = "have dcgm-exporter scraped: a ServiceMonitor or PodMonitor for it, or an annotation that your Prometheus heeds"
        yield Finding(check=Check.GPU_SERIES_MISSING, level=Level.ERROR, about=about, says="there is none", fix=fix)
        return
    if series.bare and not series.plain + series.exported:
        says = f"none of {series.bare} names a pod: no GPU can be told to belong to a workload"
        fix = "set DCGM_EXPORTER_KUBERNETES=true on dcgm-exporter and mount /var/lib/kubelet/pod-resources"
        yield Finding(check=Check.GPU_LABELS_MISSING, level=Level.ERROR, about=about, says=says, fix=fix)
    if series.plain and series.exported:
        says = f"{series.exported} have exported_pod and {series.plain} have pod: two jobs scrape with different honorLabels"
        fix = "set honorLabels the same on every monitor of dcgm-exporter (true gives pod and namespace)"
        yield Finding(check=Check.GPU_LABELS_MIXED, level=Level.WARNING, about=about, says=says, fix=fix)
    elif series.exported:
        says = f"{series.exported} have exported_pod: honorLabels is not set. The presets read both; queries of your own may not"
        fix = (
            "set honorLabels: true on dcgm-exporter's ServiceMonitor, or write exported_pod and exported_namespace in your queries"
        )
        yield Finding(check=Check.GPU_LABELS_EXPORTED, level=Level.WARNING, about=about, says=says, fix=fix)


def _twice(series: Series) -> Iterator[Finding]:
    if series.twice:
        by = f", by the jobs {', '.join(series.twice_by)}" if series.twice_by else ""
        says = f"{series.twice} GPUs are there more than once{by}: sums over them are too high"
        fix = "scrape each dcgm-exporter once: delete one of the monitors, or one of two exporters on the same nodes"
        yield Finding(check=Check.GPU_SERIES_TWICE, level=Level.WARNING, about="DCGM series in Prometheus", says=says, fix=fix)


def _pace(seen: Seen) -> Iterator[Finding]:
    scrapes = seen.series.scrape_intervals_s if isinstance(seen.series, Series) else {}
    if isinstance(scrapes, Unread):
        yield unseen(scrapes)
        scrapes = {}
    exporters = () if isinstance(seen.exporters, Unread) else seen.exporters
    fastest = min(scrapes.values(), default=None)
    for exporter in exporters:
        if fastest is not None and exporter.interval_s > 2 * fastest:
            source = "as it is told" if exporter.told else "its default"
            pace = f"it reads the GPUs every {exporter.interval_s:g} s ({source}) and is scraped every {fastest:g} s"
            says = f"{pace}: most scrapes bring nothing new"
            sooner_s = exporter.interval_s - fastest
            fix = f"set DCGM_EXPORTER_INTERVAL={fastest * 1000:.0f} (milliseconds) on it: rises are seen {sooner_s:g} s sooner"
            yield Finding(
                check=Check.EXPORTER_SLOWER_THAN_SCRAPE,
                level=Level.WARNING,
                about=f"dcgm-exporter {exporter.name}",
                says=says,
                fix=fix,
            )
    reads = max((exporter.interval_s for exporter in exporters), default=DEFAULT_INTERVAL_S)
    for job, interval_s in scrapes.items():
        if interval_s + reads > _MAX_AGE_S:
            says = (
                f"it scrapes every {interval_s:g} s what is read every {reads:g} s: values are up to {interval_s + reads:g} s old, "
                f"and past {_MAX_AGE_S:g} s they no longer count"
            )
            fix = f"set its interval to {max(5.0, min(15.0, reads)):g}s"
            yield Finding(check=Check.SCRAPE_TOO_SLOW, level=Level.ERROR, about=f"scrape job {job}", says=says, fix=fix)
