"""The forecast against what came, and whether it is believed."""

from dashboards import panels, words
from dashboards.page import Row
from dashboards.panels import Box, Query
from dashboards.selection import one


def forecast() -> Row:
    """Return the row of what is expected, and whether it is believed."""
    return Row(
        "Forecast",
        [
            panels.lines(
                Box(
                    title="Forecast and what came",
                    text="In replicas' worth of load. The band runs from the median to the 90 % quantile of the largest load "
                    "within the horizon; what came is the largest load of the last horizon. Compare what came with the band one "
                    "horizon earlier: nine times in ten it is to be below the band's upper edge.",
                    unit="short",
                    width=14,
                    height=9,
                    decimals=1,
                    empty="no forecast: forecast.mode is Off, or the load is not known",
                ),
                Query(one("leadtime_forecast_replicas", 'quantile="0.5"'), "median ahead"),
                Query(one("leadtime_forecast_replicas", 'quantile="0.9"'), "90 % ahead"),
                Query(one("leadtime_forecast_realised_replicas"), "what came"),
                Query(one("leadtime_offered_replicas"), "load now"),
                overrides={
                    "median ahead": {**panels.coloured("light-purple"), "custom.lineWidth": 1, "custom.fillOpacity": 0},
                    "90 % ahead": {
                        **panels.coloured(words.PURPLE),
                        "custom.fillBelowTo": "median ahead",
                        "custom.fillOpacity": 25,
                    },
                    "what came": {**panels.coloured(words.ORANGE), "custom.lineWidth": 2, "custom.fillOpacity": 0},
                    "load now": {**panels.coloured("text"), "custom.fillOpacity": 0},
                },
            ),
            panels.lines(
                Box(
                    title="Is it worth believing",
                    text="Error is what the forecast's errors have cost within about a day, over what the best reactive "
                    "forecast's have: below 0.95 the gate opens, above 1 it shuts. Coverage is the share of the loads that were "
                    "at most what was forecast: it is to be near forecast.quantile.",
                    unit="percentunit",
                    width=6,
                    height=9,
                    decimals=0,
                    empty="nothing has come due yet",
                ),
                Query(one("leadtime_forecast_loss_ratio"), "error"),
                Query(one("leadtime_forecast_coverage_ratio"), "coverage"),
                bound=1.0,
            ),
            panels.states(
                Box(
                    title="Gate",
                    text="While the gate is open the forecast may raise the number; used is when it did. Shut, it is only watched.",
                    unit="none",
                    width=4,
                    height=9,
                ),
                Query(one("leadtime_forecast_gate_open"), "gate"),
                Query(one("leadtime_condition", 'type="ForecastUsed"'), "number"),
                mappings=[words.truth((words.Word("open", words.PURPLE), words.Word("shut", words.GREY)))],
                overrides={"number": panels.said(words.CONDITIONS["ForecastUsed"])},
            ),
        ],
    )
