"""`leadtime recommend`: what it prints and how it ends. How Prometheus is asked, and what is judged, is for tests of `advice`."""

import json
from collections.abc import Iterator

import pytest
import yaml

from autoscaler.advice import asking
from tests.autoscaler.advice import gpus
from tests.autoscaler.cli.conftest import Leadtime, Ran

END_S = 1_780_000_000
SHORT = ("--days", "0.05", "--run", "0.05", "--at", str(END_S), "--jobs", "1")
WASTED = gpus.Deployment(load=lambda _: 1.5, replicas=lambda _: 8.0, gpus_each=2)
TIGHT = gpus.Deployment(load=lambda _: 2.9, replicas=lambda _: 3.0)
#: No words of Prometheus' own.
DOWN = (503, "unavailable", "")


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[gpus.Gpus]:
    monkeypatch.setattr(asking, "PAUSES_S", (0.0, 0.0, 0.0))
    with gpus.serve() as found:
        found.deployments = {("llm", "wasted"): WASTED, ("llm", "tight"): TIGHT}
        yield found


@pytest.fixture
def recommend(leadtime: Leadtime, server: gpus.Gpus) -> Leadtime:
    def run(*arguments: str) -> Ran:
        return leadtime("recommend", "--prometheus", server.url, *SHORT, *arguments)

    return run


def test_each_deployment_is_judged_and_what_was_asked_is_told(recommend: Leadtime, server: gpus.Gpus) -> None:
    ran = recommend()

    rows = {line.split()[0]: line.split()[1] for line in ran.out.splitlines() if "/" in line.split(" ")[0]}
    assert ran.status == 0
    assert rows == {"llm/wasted": "scale", "llm/tight": "leave"}
    before, after = ran.err.splitlines()
    assert before.startswith("at most 42 queries and 250,000 points: 0.05 days of up to 20 Deployments")
    # 0.05 days are 72 minutes, for two Deployments twice; and two looks at 24 moments each.
    assert after == f"asked: 6 queries, {2 * 24 + 4 * 72} points, one look every 60 s"
    assert len(server.asked) == 6


def test_programs_get_figures_with_all_gpus_of_a_replica(recommend: Leadtime) -> None:
    told = {each["deployment"]: each for each in json.loads(recommend("-o", "json").out)}

    wasted = told["llm/wasted"]
    # 8 replicas of 2 GPUs for 72 minutes.
    assert wasted["was"]["gpu_hours"] == pytest.approx(8 * 2 * 1.2, rel=0.02)
    assert wasted["wouldBe"]["gpu_hours"] < wasted["was"]["gpu_hours"] / 2
    assert (told["llm/tight"]["advice"], told["llm/tight"]["was"]) == ("leave", None)


def test_yaml_is_the_scalers_that_are_worth_it_and_a_name_is_theirs(recommend: Leadtime) -> None:
    (document,) = yaml.safe_load_all(recommend("-o", "yaml").out)

    assert document["metadata"] == {"name": "wasted", "namespace": "llm"}
    assert document["spec"]["mode"] == "Recommend"
    assert recommend("-o", "name").out == "llm/wasted\n"


def test_where_there_is_nothing_worth_it_yaml_says_so(recommend: Leadtime, server: gpus.Gpus) -> None:
    del server.deployments["llm", "wasted"]

    assert recommend("-o", "yaml").out == "# none is worth it\n"


def test_a_prometheus_without_gpus_is_told_where_to_look(recommend: Leadtime, server: gpus.Gpus) -> None:
    server.deployments.clear()

    ran = recommend()

    assert (ran.status, ran.out) == (1, "")
    assert ran.err.splitlines()[-1].startswith("error: it has no GPUs of Deployments: is dcgm-exporter scraped")
    assert len(server.asked) == 1


def test_one_that_is_gone_after_it_began_is_asked_no_more_and_the_rest_says_why(recommend: Leadtime, server: gpus.Gpus) -> None:
    server.deployments = {("llm", f"wasted-{number}"): WASTED for number in range(3)}
    answers = server.answer

    def going(query: str, first_s: float, last_s: float, step_s: float) -> tuple[int, dict[str, object]]:
        if len(server.asked) == 4:  # it was looked for them, and the first has told
            server.refusals = [DOWN] * 50
        return answers(query, first_s, last_s, step_s)

    server.answer = going  # type: ignore[method-assign]

    ran = recommend("-o", "json")

    first, second, third = json.loads(ran.out)
    assert ran.status == 1
    assert (first["advice"], second["advice"], third["advice"]) == ("scale", "unknown", "unknown")
    assert second["why"].startswith("source down")
    assert third["why"].startswith("not asked for any more: source down")
    assert len(server.asked) == 4 + 4


def test_one_deployment_that_is_too_much_does_not_cost_the_others_theirs(recommend: Leadtime, server: gpus.Gpus) -> None:
    server.deployments["llm", "large"] = gpus.Deployment(load=lambda _: 90.0, replicas=lambda _: 99.0)
    answers = server.answer

    def too_much(query: str, first_s: float, last_s: float, step_s: float) -> tuple[int, dict[str, object]]:
        if "large" in query:
            server.refusals = [(422, "execution", "the query hit the chunks limit")]
        return answers(query, first_s, last_s, step_s)

    server.answer = too_much  # type: ignore[method-assign]

    ran = recommend("-o", "json")

    told = {each["deployment"]: each for each in json.loads(ran.out)}
    assert told["llm/large"]["why"].endswith("the query hit the chunks limit")
    advice = {name: each["advice"] for name, each in told.items()}
    assert advice == {"llm/large": "unknown", "llm/wasted": "scale", "llm/tight": "leave"}
    assert ran.status == 1


def test_a_prometheus_that_does_not_answer_in_time_is_one_line(recommend: Leadtime, server: gpus.Gpus) -> None:
    server.refusals = [0.4] * 5

    ran = recommend("--deadline", "100ms")

    assert (ran.status, ran.out) == (1, "")
    assert ran.err.splitlines()[-1] == f"error: source timed out: {server.url}: no answer by the deadline"
    assert len(server.asked) == 3  # at 24 moments, at 6, and at one


@pytest.mark.parametrize("url", ["localhost:9090", "http://me:secret@prometheus", "prometheus"])
def test_what_is_no_address_is_a_usage_error_without_its_password(leadtime: Leadtime, url: str) -> None:
    ran = leadtime("recommend", "--prometheus", url)

    assert (ran.status, ran.out) == (2, "")
    assert "secret" not in ran.err
