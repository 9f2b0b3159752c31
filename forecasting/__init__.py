"""What will the largest load be within one lead time: arrays in, quantiles out.

The library knows neither Kubernetes, HTTP, replicas nor the clock. Many series are forecast at once, one row each::

    import numpy as np
    from forecasting import Engine, Spec

    engine = Engine(rows=2, spec=Spec(step_s=60, horizons=(1, 5, 10, 30)))
    for slot, values in enumerate(np.random.default_rng(1).poisson(50, (300, 2))):
        engine.observe(values, slot)
    engine.quantiles(horizons=[5], q=[0.5, 0.9])  # shape (2, 1, 2): of the largest value of the next five buckets

`Series` holds a past and `backtest` plays it, `Reactive` is what a forecast has to beat, `Gate` says whether it does, and `losses`
scores it. `forecasting.models` fits what takes longer than a bucket; it alone imports statsmodels, and is not imported here.
"""

from forecasting import backtest, losses
from forecasting.engine import Engine, Part, Source
from forecasting.errors import ForecastingError, InputError, ModelError, StateError
from forecasting.forecast import Forecaster, Spec, Target
from forecasting.gate import Gate, Rules, Verdict
from forecasting.gated import Gated
from forecasting.reactive import Reactive
from forecasting.series import Cleaning, How, Series, from_counter, from_samples, read_csv
from forecasting.tuning import Autoregression, Tuning

__all__ = [
    "Autoregression",
    "Cleaning",
    "Engine",
    "Forecaster",
    "ForecastingError",
    "Gate",
    "Gated",
    "How",
    "InputError",
    "ModelError",
    "Part",
    "Reactive",
    "Rules",
    "Series",
    "Source",
    "Spec",
    "StateError",
    "Target",
    "Tuning",
    "Verdict",
    "backtest",
    "from_counter",
    "from_samples",
    "losses",
    "read_csv",
]
