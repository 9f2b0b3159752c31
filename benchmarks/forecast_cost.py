"""What forecasting thousands of series costs: time per tick, memory, state on disk, and the import.

Each is measured in a fresh process: ``python -m benchmarks.forecast_cost SERIES TICKS`` prints one JSON object. Ticks, fits and the
import are measured in processor time of one core, so that a machine that has other things to do does not count.
"""

import json
import os
import statistics
import subprocess
import sys
import time
from dataclasses import asdict, dataclass

import numpy as np

from benchmarks import forecast_peers, procfs
from benchmarks.claims import say
from benchmarks.load import ROOT
from forecasting.engine import Engine
from forecasting.forecast import Spec

SERIES = 5000
_QUANTILES = (0.5, 0.9, 0.99)
_WARM_TICKS = 60
_IMPORTS = 7
_FITS = 20
_IMPORT = """
import json, sys, time
began = time.process_time()
import forecasting.engine, forecasting.backtest, forecasting.gate, forecasting.series
took = time.process_time() - began
print(json.dumps([1000 * took, sorted({name.partition('.')[0] for name in sys.modules} & {'scipy', 'pandas', 'statsmodels'})]))
"""
_ONE_CORE = {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """What an engine costs: a tick takes in a bucket of all series and forecasts four horizons and three quantiles of each."""

    series: int
    tick_ms: float
    """Median."""
    tick_p99_ms: float
    rss_mib: float
    """Of the whole process."""
    state_kib: float
    """Of one series, saved."""
    save_s: float
    load_s: float

    @property
    def series_per_s(self) -> float:
        """How many series are forecast in a second of one core."""
        return 1000 * self.series / self.tick_ms


def measure(*, series: int = SERIES, ticks: int) -> Cost:
    """Return what a fresh process finds."""
    say(f"{ticks} ticks of {series} series …")
    command = [sys.executable, "-m", "benchmarks.forecast_cost", str(series), str(ticks)]
    result = subprocess.run(
        command, cwd=ROOT, env=os.environ | _ONE_CORE, stdout=subprocess.PIPE, text=True, check=True, timeout=900
    )
    return Cost(**json.loads(result.stdout))


def importing() -> tuple[float, list[str]]:
    """Return the least time of the import in milliseconds, and what of scipy, pandas and statsmodels came with it."""
    found = []
    for _ in range(_IMPORTS):
        result = subprocess.run(
            [sys.executable, "-c", _IMPORT], cwd=ROOT, stdout=subprocess.PIPE, text=True, check=True, timeout=60
        )
        found.append(json.loads(result.stdout))
    return min(took for took, _ in found), found[0][1]


def autoets() -> tuple[str, float]:
    """Return statsforecast's AutoETS where it is installed, else statsmodels' ETS, and its series a second on one core."""
    peers = {peer.name: peer for peer in forecast_peers.all_peers()}
    name = next(name for name in ("statsforecast AutoETS", "statsmodels ETS") if name in peers)
    peer, spec = peers[name], Spec()
    chance = np.random.default_rng(1)
    for _ in range(_FITS):
        peer(chance.gamma(2.0, 50.0, peer.memory), spec)
    return name, 1000 / statistics.median(peer.took_ms)


def _run(series: int, ticks: int) -> Cost:
    engine = Engine(series, Spec(quantiles=_QUANTILES))
    chance = np.random.default_rng(1)
    loads = chance.gamma(2.0, 50.0, (ticks + _WARM_TICKS, series)).astype(np.float32)
    took = []
    for slot, values in enumerate(loads):
        began = time.process_time()
        engine.observe(values, slot)
        engine.quantiles()
        took.append(1000 * (time.process_time() - began))
    rss_mib = procfs.rss_mib(os.getpid()) - loads.nbytes / 2**20
    began = time.process_time()
    saved = engine.dump()
    save_s = time.process_time() - began
    Engine.load(saved, engine.spec)
    load_s = time.process_time() - began - save_s
    return Cost(
        series=series,
        tick_ms=statistics.median(took[_WARM_TICKS:]),
        tick_p99_ms=float(np.quantile(took[_WARM_TICKS:], 0.99)),
        rss_mib=rss_mib,
        state_kib=len(saved) / series / 1024,
        save_s=save_s,
        load_s=load_s,
    )


if __name__ == "__main__":
    print(json.dumps(asdict(_run(int(sys.argv[1]), int(sys.argv[2])))))
