"""Run every benchmark, each in a fresh process, and show all claims in one table: ``python -m benchmarks [--json] [--quick]``.

``--data FOLDER`` goes to the forecasts' benchmark, which otherwise makes its series.
"""

import argparse
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from benchmarks.load import ROOT
from tests.cluster import build

_NAMES = ("adapter_collect", "adapter_reads", "adapter_hpas", "control_loop", "footprint", "forecasting", "page_500")
#: What must be built beside the control plane.
_PEERS = ("prometheus-adapter",)


def main() -> int:
    """Run them all; return 1 if one of them could not be run, whatever its claims say."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__.partition("\n")[0])
    parser.add_argument("--json", action="store_true", help="print one JSON object with all claims as the last line")
    parser.add_argument("--quick", action="store_true", help="fewer cases and shorter: tries the benchmarks, proves nothing")
    parser.add_argument("--data", type=Path, help="a folder of series for the forecasts' benchmark")
    told = parser.parse_args()
    data = ["--data", str(told.data.resolve())] if told.data else []
    if status := build.main([*build.CLUSTER, *_PEERS]):
        return status
    found: list[dict[str, Any]] = []
    broken: list[str] = []
    for name in _NAMES:
        print(f"== {name}", flush=True)
        command = [sys.executable, "-m", f"benchmarks.{name}", "--json", *(["--quick"] if told.quick else [])]
        command += data if name == "forecasting" else []
        result = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, text=True, check=False)
        *shown, last = result.stdout.splitlines() or [""]
        print("\n".join(shown), flush=True)
        if result.returncode:
            broken.append(name)
            continue
        found += [{"benchmark": name, **claim} for claim in json.loads(last)["claims"]]
    Console(width=None if sys.stdout.isatty() else 120).print(_table(found))
    for name in broken:
        print(f"{name} could not be run", file=sys.stderr)
    if told.json:
        print(json.dumps({"benchmark": "all", "quick": told.quick, "claims": found}))
    return 1 if broken else 0


def _table(found: list[dict[str, Any]]) -> Table:
    table = Table("benchmark", "claim", title="All claims", title_justify="left")
    for heading in ("value", "goal", "holds"):
        table.add_column(heading, justify="right")
    for claim in found:
        table.add_row(
            claim["benchmark"], claim["name"], f"{claim['value']:,.4g}", f"{claim['goal']:,g}", "yes" if claim["holds"] else "no"
        )
    return table


if __name__ == "__main__":
    sys.exit(main())
