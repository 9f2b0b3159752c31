"""The pages read as exporters' do: by prometheus-client, and by our own presets, which make values of them."""

from collections.abc import Mapping, Sequence

import pytest
from prometheus_client import Metric
from prometheus_client.parser import text_string_to_metric_families

from adapter.metric import ObjectRef, Row
from adapter.rules import apply, model, presets
from adapter.sources import exposition
from autoscaler.sandbox.fleet import pages
from autoscaler.sandbox.fleet.engine import Engine, Finished, Request
from autoscaler.sandbox.fleet.pages import Gpu, VllmPage, Workload

NOW = 1_800_000_000.0
POD = ObjectRef("pods", "llm", "qwen-0")
USED = Gpu(0, "GPU-0", 87.4, 73_200, Workload("llm", "qwen-0", "vllm"))
IDLE = Gpu(1, "GPU-1", 0.0, 4)


def families(text: str) -> dict[str, Metric]:
    return {family.name: family for family in text_string_to_metric_families(text)}


def read(text: str, rules: Sequence[model.Rule], target: Mapping[str, str] | None = None) -> dict[str, float]:
    """Return each rule's value for the pod, as the adapter makes it of a scraped page; counters count as rates already."""
    selections = {selection for rule in rules for selection in rule.selections()}
    names = {selection.name for selection in selections}
    found = exposition.parse(text, names, at=NOW, openmetrics=False).rows
    rows = {
        selection: [
            Row({**row.labels, **(target or {})}, row.value, row.at)
            for row in found.get(selection.name, ())
            if all(match.holds(row.labels.get(match.label, "")) for match in selection.where)
        ]
        for selection in selections
    }
    results = [apply.apply(rule, rows, now=NOW) for rule in rules]
    return {result.rule.metric: result.values[POD].sample.value for result in results if POD in result.values}


def test_dcgms_page_is_what_the_exporter_writes() -> None:
    found = families(pages.dcgm("node-a", [USED, IDLE]))

    util = {sample.labels["gpu"]: sample for sample in found["DCGM_FI_DEV_GPU_UTIL"].samples}
    assert (util["0"].value, util["1"].value) == (87.0, 0.0)
    assert list(util["0"].labels)[:6] == ["gpu", "UUID", "pci_bus_id", "device", "modelName", "hostname"]
    assert {key: util["0"].labels[key] for key in ("namespace", "pod", "container")} == {
        "namespace": "llm",
        "pod": "qwen-0",
        "container": "vllm",
    }
    assert "pod" not in util["1"].labels, "an idle GPU names no workload"
    assert all(len(family.samples) == 2 and family.documentation for family in found.values())


def test_memory_used_and_free_are_all_there_is() -> None:
    found = families(pages.dcgm("node-a", [USED]))

    assert found["DCGM_FI_DEV_FB_USED"].samples[0].value + found["DCGM_FI_DEV_FB_FREE"].samples[0].value == 81_559


def test_the_dcgm_preset_makes_values_of_the_page() -> None:
    values = read(pages.dcgm("node-a", [USED, IDLE]), presets.rules("dcgm", source="gpus"))

    assert values["gpu_utilization"] == pytest.approx(0.87)
    assert values["DCGM_FI_DEV_GPU_UTIL"] == 87.0
    assert values["gpu_memory_used_ratio"] == pytest.approx(73_200 / 81_559)
    assert values["DCGM_FI_PROF_GR_ENGINE_ACTIVE"] == pytest.approx(0.97 * 0.874, abs=1e-6)


@pytest.mark.parametrize("text", ["NaN", "+Inf", "9223372036854775794"])
def test_an_override_takes_the_place_of_utilisation_in_use_and_becomes_no_value(text: str) -> None:
    page = pages.dcgm("node-a", [USED, IDLE], override=text)

    util = {sample.labels["gpu"]: sample.value for sample in families(page)["DCGM_FI_DEV_GPU_UTIL"].samples}
    assert util["1"] == 0.0
    assert util["0"] != 87.0
    assert "DCGM_FI_DEV_GPU_UTIL" not in read(page, presets.rules("dcgm", source="gpus"))


def busy_page() -> VllmPage:
    page, engine = VllmPage("Qwen/Qwen3-8B"), Engine()
    for _ in range(40):
        engine.offer(Request(0.0, 500, 120))
    list(engine.advance(now=0.1, by_s=0.1))
    for _ in range(10):
        page.finished(Finished(0.2, 0.03, 4.0, 500, 120))
    page.update(engine)
    return page


def test_vllms_page_shows_the_engine_and_what_it_has_finished() -> None:
    found = families(busy_page().render().decode())

    def value(family: str, sample: str) -> float:
        return sum(each.value for each in found[family].samples if each.name == sample)

    assert value("vllm:num_requests_running", "vllm:num_requests_running") == 32.0
    assert value("vllm:num_requests_waiting", "vllm:num_requests_waiting") == 8.0
    assert value("vllm:request_success", "vllm:request_success_total") == 10.0
    assert value("vllm:generation_tokens", "vllm:generation_tokens_total") == 1200.0
    assert value("vllm:time_to_first_token_seconds", "vllm:time_to_first_token_seconds_count") == 10.0
    assert 0.0 < value("vllm:kv_cache_usage_perc", "vllm:kv_cache_usage_perc") < 1.0


def test_the_vllm_preset_makes_values_of_the_page() -> None:
    gauges = [rule for rule in presets.rules("vllm", source="engines") if isinstance(rule.selections()[0].measure, model.Latest)]

    values = read(busy_page().render().decode(), gauges, {"namespace": "llm", "pod": "qwen-0"})

    assert values["inference_queue_size"] == 8.0
    assert values["inference_requests_running"] == 32.0
    assert values["inference_requests_in_flight"] == 40.0
    assert values["vllm:num_requests_waiting"] == 8.0
    assert 0.0 < values["kv_cache_usage"] < 1.0


def test_every_series_that_the_vllm_preset_can_use_is_on_the_page() -> None:
    text = busy_page().render().decode()

    for rule in presets.rules("vllm", source="engines"):
        if rule.metric != "vllm:engine_sleep_state":
            for term in rule.of:
                assert any(f"{candidate.selection.name}" in text for candidate in term.any_of), rule.metric


def test_a_pinned_queue_is_shown_in_place_of_the_engines() -> None:
    page = busy_page()

    page.update(Engine(), waiting=17.0)

    found = families(page.render().decode())
    assert found["vllm:num_requests_waiting"].samples[0].value == 17.0
    assert found["vllm:num_requests_waiting_by_reason"].samples[0].value == 17.0
