"""The rules of Grafana's dashboard linter, and what else an import may trip over, one by one.

No Grafana server renders them here: what can be said of a dashboard without one is said by these tests.
"""

import itertools
import re
from collections import Counter

import pytest

from dashboards import page
from tests.manifests.grafana import boards
from tests.manifests.grafana.boards import Json

MOST_PANELS = 25
#: Of grafana's list of units, those that are used.
UNITS = {"short", "none", "percent", "percentunit", "s", "bytes", "ops", "reqps"}

each_board = pytest.mark.parametrize("board", boards.BOARDS.values(), ids=boards.BOARDS)


def test_there_are_the_three_and_each_is_known_by_its_own_uid() -> None:
    assert {file: board["uid"] for file, board in boards.BOARDS.items()} == {
        f"{uid}.json": uid for uid in (page.FLEET, page.DECISIONS, page.OPERATOR)
    }


@each_board
def test_a_uid_is_one_that_grafana_takes(board: Json) -> None:
    assert re.fullmatch(r"[a-zA-Z0-9_-]{1,40}", board["uid"])


@each_board
def test_it_has_a_title_a_text_a_tag_and_the_schema_that_the_sdk_writes(board: Json) -> None:
    assert board["title"].startswith("Leadtime / ")
    assert board["description"].endswith(".")
    assert board["tags"] == ["leadtime"]
    assert board["schemaVersion"] == 42


@each_board
def test_it_is_no_export_with_inputs_and_has_no_id_of_some_server(board: Json) -> None:
    assert not {"__inputs", "__requires", "__elements", "id"} & board.keys()


@each_board
def test_the_data_source_is_a_variable_and_everything_uses_it(board: Json) -> None:
    first = board["templating"]["list"][0]
    users = [*boards.panels(board), *(target for panel in boards.panels(board) for target in panel["targets"])]
    users += [*board["annotations"].get("list", ()), *(each for each in board["templating"]["list"] if each["type"] == "query")]

    assert (first["name"], first["type"], first["query"], first["label"]) == (
        "datasource",
        "datasource",
        "prometheus",
        "Data source",
    )
    assert {(user["datasource"]["type"], user["datasource"]["uid"]) for user in users} == {("prometheus", "${datasource}")}


@each_board
def test_the_job_is_a_variable_with_a_label_that_begins_with_all(board: Json) -> None:
    found = {each["name"]: each for each in board["templating"]["list"]}["job"]

    assert (found["label"], found["multi"], found["includeAll"], found["allValue"]) == ("Autoscaler", True, True, ".+")
    assert found["current"]["value"] == "$__all"


@each_board
def test_every_variable_has_a_label_and_a_text_and_those_that_are_asked_for_follow_the_time(board: Json) -> None:
    for variable in board["templating"]["list"]:
        assert variable["label"]
        assert variable["description"].endswith(".")
        if variable["type"] == "query":
            assert variable["refresh"] == 2


@pytest.mark.parametrize("file", ["leadtime-fleet.json", "leadtime-decisions.json"])
def test_namespaces_of_scalers_are_a_variable(file: str) -> None:
    assert "namespace" in boards.variables(file)


@each_board
def test_every_panel_has_a_title_a_text_that_teaches_and_a_unit(board: Json) -> None:
    for panel in boards.panels(board):
        assert panel["title"]
        assert len(panel["description"]) >= 20, panel["title"]
        assert panel["description"].endswith("."), panel["title"]
        assert panel["fieldConfig"]["defaults"]["unit"] in UNITS, panel["title"]
        for override in panel["fieldConfig"]["overrides"]:
            assert {each["value"] for each in override["properties"] if each["id"] == "unit"} <= UNITS


@each_board
def test_every_panel_says_something_where_there_is_nothing(board: Json) -> None:
    assert all(panel["fieldConfig"]["defaults"]["noValue"] for panel in boards.panels(board))


@each_board
def test_titles_differ_within_a_row_of_the_same_kind(board: Json) -> None:
    seen = Counter((panel["title"], panel["type"]) for panel in boards.panels(board))

    assert [each for each, times in seen.items() if times > 1] == []


@each_board
def test_ids_are_those_of_one_panel_each(board: Json) -> None:
    ids = [panel["id"] for panel in board["panels"]]

    assert len(set(ids)) == len(ids)
    assert min(ids) > 0


@each_board
def test_queries_of_a_panel_have_letters_of_their_own_and_are_not_empty(board: Json) -> None:
    for panel in boards.panels(board):
        letters = [target["refId"] for target in panel["targets"]]
        assert letters
        assert len(set(letters)) == len(letters), panel["title"]
        assert all(target["expr"].strip() for target in panel["targets"])


@each_board
def test_several_series_have_names(board: Json) -> None:
    for panel in boards.panels(board):
        if panel["type"] in {"timeseries", "state-timeline", "heatmap"} and panel["targets"][0]["format"] != "table":
            assert all(target.get("legendFormat") for target in panel["targets"]), panel["title"]


@each_board
def test_a_figure_of_now_is_asked_for_now_and_a_line_over_time(board: Json) -> None:
    for panel in boards.panels(board):
        now = panel["type"] in {"stat", "table"}
        assert {(bool(target.get("instant")), bool(target.get("range"))) for target in panel["targets"]} == {(now, not now)}


@each_board
def test_panels_stand_within_the_grid_and_not_upon_each_other(board: Json) -> None:
    places = [(panel["title"], panel["gridPos"]) for panel in board["panels"]]

    for title, at in places:
        assert at["x"] >= 0, title
        assert at["x"] + at["w"] <= 24, title
        assert min(at["w"], at["h"]) > 0, title
    for (one, a), (other, b) in itertools.combinations(places, 2):
        apart = a["x"] + a["w"] <= b["x"] or b["x"] + b["w"] <= a["x"] or a["y"] + a["h"] <= b["y"] or b["y"] + b["h"] <= a["y"]
        assert apart, f"{one} and {other}"


@each_board
def test_rows_are_filled(board: Json) -> None:
    """A gap at the right of a row is a panel that is too narrow."""
    widths: Counter[int] = Counter()
    for panel in board["panels"]:
        widths[panel["gridPos"]["y"]] += panel["gridPos"]["w"]

    assert set(widths.values()) == {24}


@each_board
def test_there_are_not_too_many_panels_to_read(board: Json) -> None:
    assert len(list(boards.panels(board))) <= MOST_PANELS


@each_board
def test_each_leads_to_the_others_at_the_same_time(board: Json) -> None:
    (link,) = board["links"]

    assert (link["type"], link["tags"], link["asDropdown"]) == ("dashboards", ["leadtime"], True)
    assert (link["keepTime"], link["includeVars"]) == (True, True)


def test_a_row_of_the_fleet_leads_to_the_decisions_of_its_scaler_at_the_same_time() -> None:
    linking = [
        link["url"]
        for panel in boards.panels(boards.BOARDS["leadtime-fleet.json"])
        for link in panel["fieldConfig"]["defaults"].get("links", ())
    ]

    assert len(linking) >= 2
    for url in linking:
        path, _, query = url.partition("?")
        assert path == f"/d/{page.DECISIONS}"
        assert {word.partition("=")[0] for word in query.split("&")} == {
            "var-namespace", "var-scaler", "${datasource:queryparam}", "${job:queryparam}", "${__url_time_range}",
        }  # fmt: skip


def test_the_fields_that_a_row_leads_by_are_columns_of_the_table() -> None:
    (table,) = (panel for panel in boards.panels(boards.BOARDS["leadtime-fleet.json"]) if panel["type"] == "table")
    (organize,) = (each["options"] for each in table["transformations"] if each["id"] == "organize")
    fields = re.findall(r"__data\.fields\.(\w+)", table["fieldConfig"]["defaults"]["links"][0]["url"])

    assert set(fields) <= set(organize["renameByName"].values())
    assert sorted(organize["indexByName"].values()) == list(range(len(organize["indexByName"])))
    assert organize["renameByName"].keys() == organize["indexByName"].keys()


@each_board
def test_what_is_overridden_by_name_is_the_name_of_a_series(board: Json) -> None:
    for panel in boards.panels(board):
        names = {target.get("legendFormat") for target in panel["targets"]}
        for transformation in panel.get("transformations", ()):
            names |= set(transformation["options"].get("renameByName", {}).values())
        for override in panel["fieldConfig"]["overrides"]:
            matcher = override["matcher"]
            if matcher["id"] == "byName" and not any("{{" in (name or "") for name in names):
                assert matcher["options"] in names, panel["title"]


@each_board
def test_it_is_small_enough_to_be_applied(board: Json) -> None:
    """`kubectl apply` keeps what it applied in an annotation, of at most 256 KiB."""
    file = next(name for name, each in boards.BOARDS.items() if each is board)

    assert len((boards.pages.FOLDER / file).read_bytes()) < 200_000
