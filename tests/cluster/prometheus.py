"""A real Prometheus on loopback, told what to scrape."""

import json
import urllib.parse
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from tests.cluster import build, processes


@dataclass(frozen=True, slots=True, kw_only=True)
class Prometheus:
    """A running Prometheus."""

    url: str
    process: processes.Process
    config: Path
    rule_files: Sequence[Path] = ()

    def query(self, expression: str) -> list[dict[str, Any]]:
        """Return the instant vector of a PromQL *expression*: one dictionary with ``metric`` and ``value`` per series."""
        question = urllib.parse.urlencode({"query": expression})
        with urllib.request.urlopen(f"{self.url}/api/v1/query?{question}", timeout=10) as answer:
            result: list[dict[str, Any]] = json.load(answer)["data"]["result"]
        return result

    def reload(self, scrape_configs: Sequence[Mapping[str, Any]], *, interval_s: float = 1.0) -> None:
        """Scrape what *scrape_configs* say from now on; a configuration that Prometheus refuses raises `HTTPError`."""
        _write(self.config, scrape_configs, interval_s, self.rule_files)
        request = urllib.request.Request(f"{self.url}/-/reload", method="POST")
        urllib.request.urlopen(request, timeout=10).close()


@contextmanager
def start(
    folder: Path,
    scrape_configs: Sequence[Mapping[str, Any]],
    *,
    interval_s: float = 1.0,
    flags: Sequence[str] = (),
    rule_files: Sequence[Path] = (),
    retention: str = "6h",
) -> Iterator[Prometheus]:
    """Run Prometheus with its data, configuration and log in *folder*, and yield it once it answers queries.

    *scrape_configs* are those of Prometheus's own configuration file. Everything is scraped every *interval_s* unless a job says
    otherwise; the first sample takes up to that long. The rules of *rule_files* are evaluated as often. *flags* are added to the
    command line. What is older than *retention* is thrown away.
    """
    folder.mkdir(parents=True, exist_ok=True)
    config = folder / "prometheus.yaml"
    _write(config, scrape_configs, interval_s, rule_files)
    (port,) = processes.free_ports(1)
    url = f"http://127.0.0.1:{port}"
    process = processes.start(
        "prometheus",
        [
            build.program("prometheus"),
            f"--config.file={config}",
            f"--storage.tsdb.path={folder / 'data'}",
            f"--storage.tsdb.retention.time={retention}",
            f"--web.listen-address=127.0.0.1:{port}",
            "--web.enable-lifecycle",
            # As shipped, new targets are taken up every 5 s.
            "--scrape.discovery-reload-interval=100ms",
            *flags,
        ],
        folder=folder,
    )
    try:
        processes.wait_ready(process, f"{url}/-/ready")
        yield Prometheus(url=url, process=process, config=config, rule_files=rule_files)
    finally:
        process.stop()


def _write(path: Path, scrape_configs: Sequence[Mapping[str, Any]], interval_s: float, rule_files: Sequence[Path]) -> None:
    every = f"{round(interval_s * 1000)}ms"
    document = {
        "global": {"scrape_interval": every, "scrape_timeout": every, "evaluation_interval": every},
        "rule_files": [str(file) for file in rule_files],
        "scrape_configs": [dict(job) for job in scrape_configs],
    }
    path.write_text(yaml.safe_dump(document))
