"""A dashboard as a whole: its variables, its links to the others, its annotations, and where its panels stand."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import count
from pathlib import Path

from grafana_foundation_sdk.builders import dashboard as dashboards
from grafana_foundation_sdk.builders import prometheus
from grafana_foundation_sdk.cog import builder
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models import dashboard

from dashboards.panels import SOURCE, AnyPanel

TAG = "leadtime"
FLEET, DECISIONS, OPERATOR = "leadtime-fleet", "leadtime-decisions", "leadtime-operator"

Variable = builder.Builder[dashboard.VariableModel]


@dataclass(frozen=True, slots=True)
class Row:
    """Panels under a heading; those side by side are 24 wide together."""

    title: str
    panels: Sequence[AnyPanel]


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """One dashboard."""

    uid: str
    title: str
    text: str
    variables: Sequence[Variable]
    rows: Sequence[Row]
    annotations: Sequence[dashboards.AnnotationQuery] = ()
    span: str = "now-6h"
    """Where its time range begins at first."""

    @property
    def file(self) -> str:
        """Return the name of its file."""
        return f"{self.uid}.json"

    def render(self) -> str:
        """Return it as Grafana imports it."""
        document = json.loads(json.dumps(self._built(), cls=JSONEncoder))
        for each in (*document["links"], *document["annotations"].get("list", ())):
            del each["placement"]  # in sight: the SDK puts all of them into a menu
        return json.dumps(document, indent=1, sort_keys=True, ensure_ascii=False) + "\n"

    def write(self, folder: Path) -> None:
        """Write it into *folder*."""
        (folder / self.file).write_text(self.render(), encoding="utf-8")

    def _built(self) -> dashboard.Dashboard:
        made = dashboards.Dashboard(self.title).uid(self.uid).description(self.text).tags([TAG]).version(1)
        made.time(self.span, "now").refresh("30s").timezone("browser").editable()
        made.tooltip(dashboard.DashboardCursorSync.CROSSHAIR)
        made.link(_others())
        for variable in (_source(), *self.variables):
            made.with_variable(variable)
        for annotation in self.annotations:
            made.annotation(annotation)
        ids = count(1)
        for row in self.rows:
            heading = dashboards.Row(row.title)
            heading.build().id_val = next(ids)
            made.with_row(heading)
            for panel in row.panels:
                panel.build().id_val = next(ids)
                made.with_panel(panel)
        return made.build()


def variable(name: str, label: str, query: str, text: str, *, regex: str = "", several: bool = False) -> dashboards.QueryVariable:
    """Return a variable that is asked of Prometheus; of *several* values all are chosen at first."""
    made = dashboards.QueryVariable(name).label(label).description(text).datasource(SOURCE).definition(query)
    made.query({"query": query, "refId": f"variable-{name}", "qryType": 1})
    made.refresh(dashboard.VariableRefresh.ON_TIME_RANGE_CHANGED).sort(dashboard.VariableSort.ALPHABETICAL_ASC)
    if regex:
        made.regex(regex)
    if several:
        made.multi(True).include_all(True).all_value(".+")
        made.current(dashboard.VariableOption(selected=True, text="All", value="$__all"))
    return made


def hidden(made: dashboards.QueryVariable) -> dashboards.QueryVariable:
    """Return a variable that follows from the others, and is not shown."""
    return made.hide(dashboard.VariableHide.HIDE_VARIABLE)


def textbox(name: str, label: str, value: str, text: str) -> dashboards.TextBoxVariable:
    """Return a variable that is typed in, *value* at first."""
    option = dashboard.VariableOption(selected=True, text=value, value=value)
    made = dashboards.TextBoxVariable(name).label(label).description(text)
    return made.default_value(value).current(option).options([option])


def job() -> dashboards.QueryVariable:
    """Return the job of the autoscaler: there are several where several installations are scraped."""
    text = "The autoscaler's scrape job; several where this Prometheus scrapes several installations."
    return variable("job", "Autoscaler", "label_values(leadtime_leader, job)", text, several=True)


def events(name: str, color: str, expression: str, *, title: str, text: str, at_value: bool = False) -> dashboards.AnnotationQuery:
    """Return annotations at the times when *expression* is above 0, or, with *at_value*, at the times that it gives, in ms."""
    made = dashboards.AnnotationQuery().name(name).datasource(SOURCE).enable(True).hide(False).icon_color(color)
    made.expr(expression).target(prometheus.Dataquery().ref_id("Anno").expr(expression).interval("10s"))
    made.step("10s").title_format(title).text_format(text).tag_keys("reason")
    if at_value:
        made.use_value_for_time(True)
    return made


def _others() -> dashboards.DashboardLink:
    link = dashboards.DashboardLink("Leadtime").type(dashboard.DashboardLinkType.DASHBOARDS).tags([TAG]).as_dropdown(True)
    return link.include_vars(True).keep_time(True).tooltip("The other dashboards of Leadtime, at the same time")


def _source() -> dashboards.DatasourceVariable:
    return dashboards.DatasourceVariable("datasource").label("Data source").description("The Prometheus.").type("prometheus")
