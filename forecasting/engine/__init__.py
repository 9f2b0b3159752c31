"""The engine: a mixture of cheap recursive forecasts for thousands of series at once, with calibrated quantiles."""

from forecasting.engine.engine import Engine
from forecasting.engine.parts import Part, Source

__all__ = ["Engine", "Part", "Source"]
