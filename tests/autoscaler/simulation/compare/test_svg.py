"""Plots: round ticks, points where they belong, and text that cannot break the page."""

import math
from xml.etree import ElementTree as ET

import pytest
from hypothesis import given
from hypothesis import strategies as st

from autoscaler.simulation.compare import svg
from autoscaler.simulation.compare.svg import Plot


@given(st.floats(1e-6, 1e9))
def test_a_linear_axis_begins_at_zero_and_covers_what_is_on_it(high: float) -> None:
    axis = svg.linear(high, "pods")

    assert axis.low == 0.0
    assert axis.high >= high * (1 - 1e-6)
    assert 2 <= len(axis.ticks) <= 7


@given(st.floats(1e-4, 1e6), st.floats(1.0, 1e4))
def test_a_logarithmic_axis_covers_what_is_on_it(low: float, factor: float) -> None:
    axis = svg.logarithmic(low, low * factor, "hours")

    assert axis.low <= low * (1 + 1e-6)
    assert axis.high >= low * factor * (1 - 1e-6)
    assert axis.low < axis.high


@given(st.floats(0.0, 1e6))
def test_what_is_beyond_an_axis_is_drawn_at_its_end(value: float) -> None:
    axis = svg.logarithmic(0.01, 1.0, "missed")

    assert 0.0 <= axis.share(value) <= 1.0


def test_equal_factors_are_equally_far_apart_on_a_logarithmic_axis() -> None:
    axis = svg.logarithmic(0.01, 100.0, "hours")

    assert [axis.share(value) for value in (0.01, 0.1, 1.0, 10.0, 100.0)] == pytest.approx([0.0, 0.25, 0.5, 0.75, 1.0])


def test_a_plot_is_well_formed_whatever_it_is_told() -> None:
    plot = Plot(x=svg.linear(10.0, "<hours>"), y=svg.linear(5.0, 'pods & "more"'), title="<script>")
    plot.steps([(0.0, 1.0), (1.0, 1.0), (2.0, 3.0)], "load")
    plot.area([0.0, 5.0], [0.0, 0.0], [1.0, 2.0], "serving")
    plot.mark(1.0, 1.0, "c0", "a < b", hollow=True)
    plot.rule(2.0, "1 % & less")

    root = ET.fromstring(plot.text)  # noqa: S314 - our own

    assert root.get("aria-label") == "<script>"
    assert root.find("circle/title") is not None


def test_a_line_of_steps_keeps_only_its_corners() -> None:
    plot = Plot(x=svg.linear(10.0, "x"), y=svg.linear(10.0, "y"), title="steps")
    plot.steps([(float(at), 2.0 if at < 500 else 4.0) for at in range(1000)], "load")

    points = ET.fromstring(plot.text).find("polyline")  # noqa: S314 - our own

    assert points is not None
    assert len((points.get("points") or "").split()) == 4  # the beginning, two at the step, the end
    assert math.isfinite(plot.at(5.0, 5.0)[0])
