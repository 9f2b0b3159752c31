"""Files that the chart carries, because helm reads none outside of it: ``python -m tests.manifests.copied`` copies them."""

import shutil
from dataclasses import dataclass
from pathlib import Path

from tests.manifests import reading


@dataclass(frozen=True, slots=True)
class Copy:
    """A file of the manifests, and its copy in the chart."""

    source: Path
    target: Path

    @property
    def name(self) -> str:
        """Return the copy's name."""
        return self.target.name


COPIES = (
    Copy(reading.ROOT / "base" / "crds" / "inferencescalers.yaml", reading.CHART / "files" / "inferencescalers.yaml"),
    Copy(reading.ROOT / "prometheus" / "leadtime.rules.yaml", reading.CHART / "files" / "leadtime.rules.yaml"),
    *(
        Copy(board, reading.CHART / "files" / "dashboards" / board.name)
        for board in sorted((reading.ROOT / "grafana").glob("*.json"))
    ),
)


def main() -> None:
    """Copy every file."""
    for each in COPIES:
        each.target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(each.source, each.target)


if __name__ == "__main__":
    main()
