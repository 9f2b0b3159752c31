"""Panels as these dashboards have them: a title, a unit, and a description that teaches how to read them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

from grafana_foundation_sdk.builders import bargauge, heatmap, prometheus, stat, statetimeline, table, timeseries
from grafana_foundation_sdk.builders import common as commons
from grafana_foundation_sdk.builders import dashboard as dashboards
from grafana_foundation_sdk.models import common, dashboard
from grafana_foundation_sdk.models import heatmap as heatmaps
from grafana_foundation_sdk.models.prometheus import PromQueryFormat

from dashboards import words
from dashboards.words import Word

SOURCE = common.DataSourceRef(type_val="prometheus", uid="${datasource}")

AnyPanel = timeseries.Panel | stat.Panel | table.Panel | statetimeline.Panel | heatmap.Panel | bargauge.Panel
P = TypeVar("P", timeseries.Panel, stat.Panel, table.Panel, statetimeline.Panel, heatmap.Panel, bargauge.Panel)
#: Properties of the series with a name, or whose name matches a pattern.
Overrides = Mapping[str, Mapping[str, object]]

STEPS: Mapping[str, object] = {"custom.lineInterpolation": "stepAfter", "custom.lineWidth": 2, "custom.fillOpacity": 0}
DASHED: Mapping[str, object] = {**STEPS, "custom.lineWidth": 1, "custom.lineStyle": {"fill": "dash", "dash": [8, 8]}}
_NOTHING = "no data"


@dataclass(frozen=True, slots=True, kw_only=True)
class Box:
    """What every panel has."""

    title: str
    text: str
    """How to read it."""
    unit: str
    width: int
    height: int = 8
    decimals: int | None = None
    empty: str = _NOTHING
    """What stands there while there is nothing."""


@dataclass(frozen=True, slots=True)
class Query:
    """An expression, and what its series are called."""

    expression: str
    name: str = ""
    interval: str = ""
    """The shortest step; nothing: the data source's own."""


def lines(
    box: Box,
    *queries: Query,
    overrides: Overrides | None = None,
    stacked: bool = False,
    bars: bool = False,
    most: float | None = None,
    bound: float | None = None,
    links: Sequence[tuple[str, str]] = (),
) -> timeseries.Panel:
    """Return series over time. *most* is the axis' upper end at least, and *bound* a line that is not to be passed.

    *links* are ``(title, address)`` of every point.
    """
    panel = _box(timeseries.Panel(), box)
    _asked(panel, queries)
    panel.legend(
        commons.VizLegendOptions()
        .display_mode(common.LegendDisplayMode.LIST)
        .placement(common.LegendPlacement.BOTTOM)
        .show_legend(True)
    )
    panel.tooltip(commons.VizTooltipOptions().mode(common.TooltipDisplayMode.MULTI).sort(common.SortOrder.DESCENDING))
    panel.line_width(1).fill_opacity(10).show_points(common.VisibilityMode.NEVER).axis_soft_min(0)
    # A gap is a time of which nothing is known; a scrape that is missed now and then is not drawn as one.
    panel.span_nulls(60_000.0)
    if most is not None:
        panel.axis_soft_max(most)
    if stacked:
        panel.stacking(commons.StackingConfig().mode(common.StackingMode.NORMAL).group("A")).fill_opacity(40)
    if bars:
        panel.draw_style(common.GraphDrawStyle.BARS).fill_opacity(60)
    if bound is not None:
        panel.thresholds(steps((None, words.GREEN), (bound, words.RED)))
        panel.thresholds_style(commons.GraphThresholdsStyleConfig().mode(common.GraphThresholdsStyleMode.DASHED))
    if links:
        panel.data_links([dashboards.DashboardLink(title).url(address) for title, address in links])
    return _overridden(panel, overrides or {})


def number(
    box: Box,
    *queries: Query,
    limits: Sequence[tuple[float | None, str]] = ((None, words.BLUE),),
    mappings: Sequence[dashboard.ValueMapping] = (),
    names: bool = False,
    overrides: Overrides | None = None,
) -> stat.Panel:
    """Return figures of now, coloured from each of the *limits* on; with *names* the series' names stand in their place."""
    panel = _box(stat.Panel(), box)
    _asked(panel, queries, instant=True)
    panel.reduce_options(commons.ReduceDataOptions().calcs(["lastNotNull"]))
    panel.graph_mode(common.BigValueGraphMode.NONE).color_mode(common.BigValueColorMode.VALUE)
    if names:
        panel.text_mode(common.BigValueTextMode.NAME)
    elif len(queries) > 1:
        panel.text_mode(common.BigValueTextMode.VALUE_AND_NAME)
    panel.thresholds(steps(*limits)).mappings(list(mappings))
    return _overridden(panel, overrides or {})


def states(
    box: Box, *queries: Query, mappings: Sequence[dashboard.ValueMapping], overrides: Overrides | None = None
) -> statetimeline.Panel:
    """Return a row for each series, in the words of *mappings*."""
    panel = _box(statetimeline.Panel(), box)
    _asked(panel, queries)
    _timeline(panel, mappings)
    return _overridden(panel, overrides or {})


def named_states(box: Box, expression: str, label: str, *, mappings: Sequence[dashboard.ValueMapping]) -> statetimeline.Panel:
    """Return one row: which of the values of *label* held when. *expression* has a series while one of them does."""
    panel = _box(statetimeline.Panel(), box)
    panel.with_target(_dataquery(Query(expression), 0, form=PromQueryFormat.TABLE).range())
    # A table has one series after the other: by time they are one row of words.
    panel.with_transformation(dashboard.DataTransformerConfig("sortBy", options={"fields": {}, "sort": [{"field": "Time"}]}))
    panel.with_transformation(
        dashboard.DataTransformerConfig("filterFieldsByName", options={"include": {"names": ["Time", label]}})
    )
    _timeline(panel, mappings)
    panel.insert_nulls(300_000)
    return panel


def histogram(box: Box, buckets: str) -> heatmap.Panel:
    """Return how many values fell into each bucket, over time; *buckets* is the increase of each, by ``le``."""
    panel = _box(heatmap.Panel(), box)
    panel.with_target(_dataquery(Query(buckets, "{{le}}"), 0, form=PromQueryFormat.HEATMAP).range())
    # Starts are rare: a cell is a minute at least, and wide enough to be seen.
    panel.interval("1m").max_data_points(120).calculate(False).cell_gap(1).show_legend()
    panel.color(_colours())
    panel.y_axis(heatmap.YAxisConfig().unit(box.unit).axis_placement(common.AxisPlacement.LEFT))
    panel.filter_values(heatmap.FilterValueRange().le(1e-9))
    return panel


def listing(
    box: Box,
    columns: Sequence[tuple[str, str]],
    *,
    labels: Mapping[str, str],
    order: Sequence[str],
    overrides: Overrides,
    links: Sequence[tuple[str, str]] = (),
) -> table.Panel:
    """Return a table with a row for each set of labels, from one instant query a column: ``(title, expression)``.

    A column without a title is there for its labels alone. *labels* are shown under their titles, *order* has the titles of all
    that is shown from left to right, and *links* are ``(title, address)`` of every cell.
    """
    panel = _box(table.Panel(), box)
    for position, (_, expression) in enumerate(columns):
        panel.with_target(_dataquery(Query(expression), position, form=PromQueryFormat.TABLE).instant())
    titles = {f"Value #{_letter(position)}": title for position, (title, _) in enumerate(columns)}
    shown = {**labels, **{found: title for found, title in titles.items() if title}}
    panel.with_transformation(dashboard.DataTransformerConfig("merge", options={}))
    panel.with_transformation(
        dashboard.DataTransformerConfig(
            "organize",
            options={
                "excludeByName": dict.fromkeys(["Time", *(found for found, title in titles.items() if not title)], True),
                "indexByName": {found: order.index(title) for found, title in shown.items()},
                "renameByName": shown,
            },
        )
    )
    panel.cell_height(common.TableCellHeight.SM).filterable(True)
    panel.data_links([dashboards.DashboardLink(title).url(address) for title, address in links])
    return _overridden(panel, overrides)


def steps(*limits: tuple[float | None, str]) -> dashboards.ThresholdsConfig:
    """Return colours from each limit on; the first has None and is what stands below the others."""
    found = [dashboard.Threshold(value=value, color=color) for value, color in limits]
    return dashboards.ThresholdsConfig().mode(dashboard.ThresholdsMode.ABSOLUTE).steps(found)


def coloured(color: str) -> dict[str, object]:
    """Return the property of a series that has one colour."""
    return {"color": {"mode": "fixed", "fixedColor": color}}


def said(*pairs: tuple[Word, Word]) -> dict[str, object]:
    """Return the property of a series whose 1 and 0 have words of their own."""
    return {"mappings": [words.truth(pair) for pair in pairs]}


def _box(panel: P, box: Box) -> P:
    panel.title(box.title).description(box.text).unit(box.unit).no_value(box.empty)
    panel.span(box.width).height(box.height).datasource(SOURCE)
    if box.decimals is not None:
        panel.decimals(box.decimals)
    return panel


def _asked(panel: timeseries.Panel | stat.Panel | statetimeline.Panel, queries: Sequence[Query], *, instant: bool = False) -> None:
    for position, query in enumerate(queries):
        asked = _dataquery(query, position)
        panel.with_target(asked.instant() if instant else asked.range())


def _dataquery(query: Query, position: int, *, form: PromQueryFormat = PromQueryFormat.TIME_SERIES) -> prometheus.Dataquery:
    asked = prometheus.Dataquery().ref_id(_letter(position)).datasource(SOURCE).expr(query.expression).format(form)
    if query.name:
        asked.legend_format(query.name)
    if query.interval:
        asked.interval(query.interval)
    return asked


def _letter(position: int) -> str:
    return chr(ord("A") + position)


def _timeline(panel: statetimeline.Panel, mappings: Sequence[dashboard.ValueMapping]) -> None:
    panel.mappings(list(mappings)).fill_opacity(80).line_width(0).row_height(0.9).merge_values(True)
    panel.show_value(common.VisibilityMode.AUTO)
    panel.legend(commons.VizLegendOptions().show_legend(False).display_mode(common.LegendDisplayMode.LIST))
    panel.tooltip(commons.VizTooltipOptions().mode(common.TooltipDisplayMode.SINGLE))


def _colours() -> heatmap.HeatmapColorOptions:
    options = heatmap.HeatmapColorOptions().mode(heatmaps.HeatmapColorMode.SCHEME).scheme("Oranges").steps(32)
    return options.exponent(0.5).reverse(False).fill("dark-orange")


def _overridden(panel: P, overrides: Overrides) -> P:
    for name, properties in overrides.items():
        values = [dashboard.DynamicConfigValue(id_val=key, value=value) for key, value in properties.items()]
        if name.startswith("/"):
            panel.override_by_regexp(name, values)
        else:
            panel.override_by_name(name, values)
    return panel
