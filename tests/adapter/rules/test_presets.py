"""Presets against pages that are true to their engines, in our own words and as recorded."""

import pytest

from adapter.metric import Sample
from adapter.rules import apply, presets
from adapter.rules.model import ExternalObject, Fold, LabelMatch, MatchOp, Quantile, Rate, Rule
from adapter.snapshot import RuleResult
from tests.adapter.rules.pages import AT, EXPORTER, Page, answers, fixture, gpu, line, page, pod, scraped

CANONICAL = {
    "gpu_utilization",
    "gpu_memory_used_ratio",
    "inference_queue_size",
    "inference_requests_running",
    "inference_requests_in_flight",
    "inference_request_rate",
    "kv_cache_usage",
    "time_to_first_token_p90_seconds",
    "inter_token_latency_p90_seconds",
    "tokens_per_second",
}
SERVER = {"job": "engines", "instance": "10.1.0.9:8000", "namespace": "llm", "pod": "server-0", "container": "engine"}


def results(preset: str, series: Page, **options: object) -> dict[str, RuleResult]:
    rules = presets.rules(preset, source="prom", **options)  # type: ignore[arg-type]
    rows = answers(rules, series)
    return {rule.metric: apply.apply(rule, rows, now=AT + 5) for rule in rules}


def values(preset: str, series: Page, **options: object) -> dict[str, dict[str, float]]:
    """Return each metric's values by pod."""
    return {
        metric: {ref.name: round(value.sample.value, 9) for ref, value in result.values.items()}
        for metric, result in results(preset, series, **options).items()
    }


def of_server(preset: str, text: str) -> dict[str, float]:
    """Return each metric's value of the one pod that the page belongs to."""
    found = values(preset, scraped(text, SERVER))
    return {metric: by_pod["server-0"] for metric, by_pod in found.items() if by_pod}


# The registry


@pytest.mark.parametrize("preset", presets.names())
def test_a_presets_name_and_a_source_make_rules(preset: str) -> None:
    rules = presets.rules(preset, source="prom")

    assert [rule.name for rule in rules] == [f"{preset}/{metric}" for metric in presets.metrics(preset)]
    assert {rule.source for rule in rules} == {"prom"}
    assert "\n" not in presets.describe(preset)


@pytest.mark.parametrize("preset", presets.names())
def test_every_preset_serves_canonical_names_first_and_each_name_once(preset: str) -> None:
    metrics = presets.metrics(preset)

    assert metrics[0] in CANONICAL
    assert len(set(metrics)) == len(metrics)


def every_rule() -> list[Rule]:
    return [rule for preset in presets.names() for rule in presets.rules(preset, source="prom")]


def test_presets_agree_on_how_a_workload_has_a_canonical_metric() -> None:
    folds: dict[str, set[Fold | None]] = {}
    for rule in every_rule():
        folds.setdefault(rule.metric, set()).add(rule.owner_fold)

    assert all(len(ways) == 1 for ways in folds.values())
    assert folds["inference_queue_size"] == {Fold.SUM}
    assert folds["kv_cache_usage"] == {Fold.MEAN}
    assert folds["time_to_first_token_p90_seconds"] == {Fold.MAX}


@pytest.mark.parametrize("rule", every_rule(), ids=lambda rule: rule.name)
def test_every_rule_says_how_its_series_are_folded_and_what_tells_them_apart(rule: Rule) -> None:
    assert rule.reducer.fold is not None
    assert not rule.keeps_all_labels()
    assert not isinstance(rule.objects, ExternalObject)


def test_the_labels_that_a_fold_needs_are_asked_for() -> None:
    rule = next(rule for rule in presets.rules("vllm", source="prom") if rule.metric == "inference_queue_size")

    assert {"engine", "model_name", "namespace", "pod"} <= rule.label_names()


def test_a_preset_can_be_narrowed_and_tuned() -> None:
    model = LabelMatch("model_name", MatchOp.EQUAL, "m")

    (rule,) = presets.rules("vllm", source="prom", only=["tokens_per_second"], where=[model], window_s=30.0, max_age_s=20.0)

    (selection,) = rule.selections()
    assert (rule.max_age_s, selection.measure, selection.where) == (20.0, Rate(30.0), (model,))


def test_a_preset_that_does_not_exist_is_an_error() -> None:
    with pytest.raises(KeyError):
        presets.rules("ollama", source="prom")


# dcgm


def node(*, honor: bool) -> Page:
    lines: list[str] = []
    for index, (util, owner) in enumerate(
        [(97, "llama-0"), (96, "llama-0"), (95, "llama-0"), (12, "llama-0"), (40, "qwen-0"), (0, "")]
    ):
        labels = pod(owner) if owner else {}
        lines += [
            gpu("DCGM_FI_DEV_GPU_UTIL", util, index, **labels),
            gpu("DCGM_FI_DEV_FB_USED", 60000 if owner else 4, index, **labels),
            gpu("DCGM_FI_DEV_FB_FREE", 20000 if owner else 79996, index, **labels),
            gpu("DCGM_FI_DEV_POWER_USAGE", 100.5, index, **labels),
            gpu("DCGM_FI_DEV_GPU_TEMP", 40 + index, index, **labels),
            gpu("DCGM_FI_PROF_GR_ENGINE_ACTIVE", util / 103, index, **labels),
        ]
    return scraped(page(*lines), EXPORTER, honor=honor)


@pytest.mark.parametrize("honor", [False, True])
def test_dcgm_gives_the_mean_utilisation_of_a_pods_gpus(honor: bool) -> None:
    found = values("dcgm", node(honor=honor))

    assert found["gpu_utilization"] == {"llama-0": 0.75, "qwen-0": 0.4}  # (97 + 96 + 95 + 12) / 4 percent
    assert found["DCGM_FI_DEV_GPU_UTIL"] == {"llama-0": 75.0, "qwen-0": 40.0}
    assert found["gpu_memory_used_ratio"] == {"llama-0": 0.75, "qwen-0": 0.75}
    assert found["DCGM_FI_DEV_FB_USED"] == {"llama-0": 240000.0, "qwen-0": 60000.0}
    assert found["DCGM_FI_DEV_POWER_USAGE"] == {"llama-0": 402.0, "qwen-0": 100.5}
    assert found["DCGM_FI_DEV_GPU_TEMP"] == {"llama-0": 43.0, "qwen-0": 44.0}


def test_dcgm_counts_idle_gpus_and_serves_them_to_nobody() -> None:
    result = results("dcgm", node(honor=True))["gpu_utilization"]

    assert (len(result.values), result.unattributed) == (2, 1)


def test_dcgm_takes_the_engine_ratio_where_mig_has_no_utilisation() -> None:
    labels = {"GPU_I_PROFILE": "3g.40gb", "GPU_I_ID": "1"}
    text = page(
        gpu("DCGM_FI_DEV_GPU_UTIL", 0, 0, **labels, **pod("mig-a")),  # what old exporters write, and it means nothing
        gpu("DCGM_FI_PROF_GR_ENGINE_ACTIVE", 0.81, 0, **labels, **pod("mig-a")),
        gpu("DCGM_FI_DEV_GPU_UTIL", 64, 1, **pod("whole")),
        gpu("DCGM_FI_PROF_GR_ENGINE_ACTIVE", 0.5, 1, **pod("whole")),
    )

    assert values("dcgm", scraped(text, EXPORTER))["gpu_utilization"] == {"mig-a": 0.81, "whole": 0.64}


def test_dcgm_counts_a_gpu_of_two_containers_once() -> None:
    text = page(
        gpu("DCGM_FI_DEV_FB_USED", 9000, 0, **pod("p", "n", "one")),
        gpu("DCGM_FI_DEV_FB_USED", 9000, 0, **pod("p", "n", "two")),
        gpu("DCGM_FI_DEV_FB_USED", 500, 1, **pod("p", "n", "two")),
    )

    assert values("dcgm", scraped(text, EXPORTER))["DCGM_FI_DEV_FB_USED"] == {"p": 9500.0}


def test_dcgm_tells_a_blank_value_from_a_number() -> None:
    text = page(gpu("DCGM_FI_DEV_MEMORY_TEMP", 9223372036854775794, 0, **pod("p")))

    result = results("dcgm", scraped(text, EXPORTER))["DCGM_FI_DEV_MEMORY_TEMP"]

    assert [missing.reason.words for missing in result.missing.values()] == ["DCGM blank value"]


def test_a_slow_exporter_is_given_more_time_than_an_engine() -> None:
    ages = {preset: {rule.max_age_s for rule in presets.rules(preset, source="s")} for preset in presets.names()}

    assert ages.pop("dcgm") == {90.0}
    assert all(found == {60.0} for found in ages.values())


@pytest.mark.parametrize("honor", [False, True])
def test_the_recorded_node_reads_as_its_values_say(honor: bool) -> None:
    found = values("dcgm", scraped(fixture("dcgm_synthetic_exclusive.prom"), EXPORTER, honor=honor))

    assert found["gpu_utilization"] == {
        "llama70b-7d4b9c-aaaaa": 0.75,
        "qwen8b-5f6c7d-bbbbb": 0.4,
        "resnet-66dd-ccccc": 0.37,  # (71 + 3) / 2
    }
    assert found["DCGM_FI_DEV_FB_USED"]["llama70b-7d4b9c-aaaaa"] == 240000.0


@pytest.mark.parametrize("honor", [False, True])
def test_the_recorded_mig_node_reads_by_instance(honor: bool) -> None:
    found = values("dcgm", scraped(fixture("dcgm_synthetic_mig.prom"), EXPORTER, honor=honor))

    assert found["gpu_utilization"] == {"mig-a-1": 0.81, "mig-b-1": 0.35}
    assert found["DCGM_FI_DEV_GPU_UTIL"] == {}
    assert found["gpu_memory_used_ratio"] == {"mig-a-1": 0.75, "mig-b-1": 0.225}


def test_the_recorded_virtual_gpus_have_values_of_their_own_and_are_shared() -> None:
    found = results("dcgm", scraped(fixture("dcgm_synthetic_timesliced_virtual.prom"), EXPORTER))

    samples = {ref.name: value.sample for ref, value in found["gpu_utilization"].values.items()}
    assert {name: sample.value for name, sample in samples.items()} == {"tei-0": 0.4, "tei-1": 0.24, "tei-2": 0.0}
    assert all(sample.shared for sample in samples.values())
    assert all(value.sample.shared for value in found["DCGM_FI_DEV_POWER_USAGE"].values.values())


def test_the_recorded_default_time_slicing_names_one_pod() -> None:
    series = scraped(fixture("dcgm_synthetic_timesliced_default.prom"), EXPORTER)
    rules = presets.rules("dcgm", source="s", only=["gpu_utilization"])

    result = apply.apply(rules[0], answers(rules, series), now=AT, shared_nodes=frozenset({"gpu-node-ts"}))

    assert [(ref.name, value.sample.value, value.sample.shared) for ref, value in result.values.items()] == [("tei-2", 0.64, True)]


def test_the_recorded_claim_reads_like_any_device() -> None:
    found = values("dcgm", scraped(fixture("dcgm_synthetic_dra.prom"), EXPORTER))

    assert found["gpu_utilization"] == {"dra-1": 0.77}


def test_the_readmes_sample_has_a_blank_and_no_pod() -> None:
    found = results("dcgm", scraped(fixture("dcgm_readme_sample_k8s.prom"), EXPORTER))["DCGM_FI_DEV_MEMORY_TEMP"]

    assert (found.values, found.missing, found.unattributed) == ({}, {}, 1)


# Engines


def vllm_page(kv: str = "kv_cache_usage_perc", itl: str = "inter_token_latency_seconds", prefix: str = "vllm:") -> str:
    lines: list[str] = []
    for engine, waiting in (("0", 12), ("1", 3)):
        labels = {"engine": engine, "model_name": "qwen"}
        lines += [
            line(f"{prefix}num_requests_waiting", waiting, **labels),
            line(f"{prefix}num_requests_running", 64, **labels),
            line(f"{prefix}{kv}", 0.5 + int(engine) / 4, **labels),
            line(f"{prefix}request_success_total", 900, finished_reason="stop", **labels),
            line(f"{prefix}request_success_total", 100, finished_reason="length", **labels),
            line(f"{prefix}generation_tokens_total", 250000, **labels),
            line(f"{prefix}time_to_first_token_seconds_count", 200, **labels),
            line(f"{prefix}{itl}_count", 200, **labels),
        ]
    return page(*lines)


VLLM = {
    "inference_queue_size": 15.0,
    "inference_requests_running": 128.0,
    "inference_requests_in_flight": 143.0,
    "inference_request_rate": 20.0,  # 2 engines × (900 + 100) in 100 s
    "kv_cache_usage": 0.625,
    "time_to_first_token_p90_seconds": 0.25,
    "inter_token_latency_p90_seconds": 0.25,
    "tokens_per_second": 5000.0,
}


@pytest.mark.parametrize("kv", ["kv_cache_usage_perc", "gpu_cache_usage_perc"])
@pytest.mark.parametrize("itl", ["inter_token_latency_seconds", "time_per_output_token_seconds"])
def test_vllm_adds_its_engines_up_under_old_names_and_new(kv: str, itl: str) -> None:
    found = of_server("vllm", vllm_page(kv, itl))

    assert {metric: found[metric] for metric in VLLM} == VLLM
    assert found["vllm:num_requests_waiting"] == 15.0
    assert found["vllm:kv_cache_usage_perc"] == found["vllm:gpu_cache_usage_perc"] == 0.625


def test_vllms_queue_is_what_waits_for_capacity_where_it_says_so() -> None:
    by_reason = [
        line("vllm:num_requests_waiting_by_reason", value, engine="0", model_name="qwen", reason=reason)
        for reason, value in (("capacity", 13), ("deferred", 2))
    ]

    found = of_server("vllm", vllm_page() + page(*by_reason))

    assert (found["inference_queue_size"], found["vllm:num_requests_waiting"]) == (13.0, 15.0)


def test_vllms_models_and_states_can_be_selected() -> None:
    states = [
        line("vllm:engine_sleep_state", value, engine="0", model_name="qwen", sleep_state=state)
        for state, value in (("awake", 0), ("weights_offloaded", 1))
    ]

    found = results("vllm", scraped(page(*states), SERVER))["vllm:engine_sleep_state"]

    (value,) = found.values.values()
    assert [(labels["sleep_state"], sample.value) for labels, sample in value.parts] == [("awake", 0.0), ("weights_offloaded", 1.0)]


def test_vllms_labels_survive_where_a_source_puts_series_together() -> None:
    rules = {rule.metric: rule for rule in presets.rules("vllm", source="s")}

    assert "engine" in rules["inference_queue_size"].label_names()
    assert "engine" not in rules["time_to_first_token_p90_seconds"].label_names()


def test_sglangs_ranks_count_once_and_its_groups_add_up() -> None:
    lines: list[str] = []
    for dp, queue in (("0", 7), ("1", 3)):
        for tp in ("0", "1"):
            labels = {"engine_type": "unified", "model_name": "qwen", "pp_rank": "0", "tp_rank": tp, "dp_rank": dp}
            lines += [line("sglang:num_queue_reqs", queue, **labels), line("sglang:num_running_reqs", 10, **labels)]
            lines += [line("sglang:token_usage", 0.5, **labels), line("sglang:gen_throughput", 800.0, **labels)]
    plain = {"engine_type": "unified", "model_name": "qwen"}
    lines.append(line("sglang:num_requests_total", 500, **plain))
    lines += [line(f"sglang:{name}_count", 9, **plain) for name in ("time_to_first_token_seconds", "inter_token_latency_seconds")]

    found = of_server("sglang", page(*lines))

    assert found == {
        "inference_queue_size": 10.0,
        "inference_requests_running": 20.0,
        "inference_requests_in_flight": 30.0,
        "inference_request_rate": 5.0,
        "kv_cache_usage": 0.5,
        "time_to_first_token_p90_seconds": 0.25,
        "inter_token_latency_p90_seconds": 0.25,
        "tokens_per_second": 1600.0,
        "sglang:num_queue_reqs": 10.0,
        "sglang:num_running_reqs": 20.0,
        "sglang:token_usage": 0.5,
    }


def test_triton_adds_its_models_up_and_derives_what_is_in_flight() -> None:
    lines: list[str] = []
    for model, waiting in (("resnet", 4), ("bert", 5)):
        labels = {"model": model, "version": "1"}
        lines += [
            line("nv_inference_pending_request_count", waiting, **labels),
            line("nv_inference_request_success", 300, **labels),
            line("nv_inference_request_duration_us", 250e6, **labels),
        ]

    found = of_server("triton", page(*lines))

    assert found == {
        "inference_queue_size": 9.0,
        "inference_requests_in_flight": 5.0,  # 2 models × 250 s of requests in 100 s
        "inference_request_rate": 6.0,
        "nv_inference_pending_request_count": 9.0,
    }


def test_tgi_gives_what_it_counts() -> None:
    text = page(
        line("tgi_queue_size", 7),
        line("tgi_batch_current_size", 4),
        line("tgi_batch_current_max_tokens", 6000),
        line("tgi_batch_total_tokens", 16000),
        line("tgi_request_count", 150),
        line("tgi_request_generated_tokens_sum", 8100),
        line("tgi_request_mean_time_per_token_duration_count", 44),
    )

    found = of_server("tgi", text)

    assert found == {
        "inference_queue_size": 7.0,
        "inference_requests_running": 4.0,
        "inference_requests_in_flight": 11.0,
        "inference_request_rate": 1.5,
        "kv_cache_usage": 0.375,
        "inter_token_latency_p90_seconds": 0.25,
        "tokens_per_second": 81.0,
        "tgi_queue_size": 7.0,
        "tgi_batch_current_size": 4.0,
    }


def test_tensorrt_llm_is_read_under_trtllm_serve_and_under_triton() -> None:
    serve = page(
        line("trtllm_num_requests_waiting", 6, model_name="m", engine_type="trtllm"),
        line("trtllm_num_requests_running", 2, model_name="m", engine_type="trtllm"),
        line("trtllm_kv_cache_utilization", 0.4, model_name="m", engine_type="trtllm"),
        line("trtllm_request_success_total", 100, model_name="m", engine_type="trtllm", finished_reason="stop"),
    )
    requests = {"waiting": 6, "scheduled": 2, "active": 8, "max": 512}
    triton = page(
        *(line("nv_trt_llm_request_metrics", n, model="m", request_type=kind, version="1") for kind, n in requests.items()),
        line("nv_trt_llm_kv_cache_block_metrics", 0.4, kv_cache_block_type="fraction", model="m", version="1"),
        line("nv_trt_llm_kv_cache_block_metrics", 6239, kv_cache_block_type="max", model="m", version="1"),
        line("nv_inference_request_success", 100, model="m", version="1"),
    )
    expected = {
        "inference_queue_size": 6.0,
        "inference_requests_running": 2.0,
        "inference_requests_in_flight": 8.0,
        "inference_request_rate": 1.0,
        "kv_cache_usage": 0.4,
    }

    for text in (serve, triton):
        found = of_server("trtllm", text)
        assert {metric: found.get(metric) for metric in expected} == expected


def test_ray_serves_vllm_under_its_own_names() -> None:
    found = of_server("rayserve", vllm_page(prefix="ray_vllm_"))

    expected = {metric: value for metric, value in VLLM.items() if metric != "inference_requests_in_flight"}
    assert {metric: found.get(metric) for metric in expected} == expected


def test_ray_serves_its_own_series_where_there_is_no_vllm() -> None:
    labels = {"application": "app", "deployment": "d"}
    text = page(
        line("ray_serve_deployment_queued_queries", 12, handle="h1", **labels),
        line("ray_serve_deployment_queued_queries", 8, handle="h2", **labels),
        line("ray_serve_replica_processing_queries", 3, replica="a", **labels),
        line("ray_serve_replica_processing_queries", 4, replica="b", **labels),
        line("ray_serve_deployment_request_counter_total", 500, replica="a", route="/", **labels),
    )

    found = of_server("rayserve", text)

    assert found["inference_queue_size"] == 20.0
    assert found["inference_requests_running"] == found["inference_requests_in_flight"] == 7.0
    assert found["inference_request_rate"] == 5.0


def test_a_quantile_carries_its_window_and_is_asked_for_by_the_pod() -> None:
    (rule,) = presets.rules("vllm", source="s", only=["time_to_first_token_p90_seconds"])
    rows = answers([rule], scraped(vllm_page(), SERVER))

    (value,) = apply.apply(rule, rows, now=AT).values.values()

    assert [selection.measure for selection in rule.selections()] == [Quantile(0.9, presets.DEFAULT_WINDOW_S)]
    assert isinstance(value.sample, Sample)
    assert value.sample.window_s == presets.DEFAULT_WINDOW_S


def test_the_recorded_vllm_reads_as_its_values_say() -> None:
    found = of_server("vllm", fixture("vllm_synthetic_v1_dp2.prom"))

    assert found["inference_queue_size"] == 13.0  # capacity: 11 + 2
    assert found["inference_requests_running"] == 128.0
    assert found["inference_requests_in_flight"] == 143.0
    assert found["kv_cache_usage"] == 0.93
    assert found["inference_request_rate"] == 19.66  # 2 × 983 in 100 s
    assert found["tokens_per_second"] == 5000.0


def test_the_recorded_vllm_of_version_0_reads_under_its_old_names() -> None:
    found = of_server("vllm", fixture("vllm_real_v0_excerpt.prom"))

    assert found["inference_queue_size"] == found["inference_requests_running"] == found["kv_cache_usage"] == 0.0
    assert found["tokens_per_second"] == 0.07


def test_a_sleeping_vllm_has_an_empty_queue_and_says_that_it_sleeps() -> None:
    found = results("vllm", scraped(fixture("vllm_synthetic_v1_sleeping.prom"), SERVER))

    (state,) = found["vllm:engine_sleep_state"].values.values()
    assert {labels["sleep_state"]: sample.value for labels, sample in state.parts}["weights_offloaded"] == 1.0
    assert [value.sample.value for value in found["inference_queue_size"].values.values()] == [0.0]


def test_the_recorded_sglang_reads_as_its_values_say() -> None:
    found = of_server("sglang", fixture("sglang_synthetic.prom"))

    assert found["inference_queue_size"] == 7.0
    assert found["inference_requests_in_flight"] == 55.0
    assert found["kv_cache_usage"] == 0.81
    assert found["tokens_per_second"] == 2311.4


def test_the_recorded_triton_reads_as_its_values_say() -> None:
    found = of_server("triton", fixture("triton_real.prom"))

    assert found["inference_queue_size"] == 0.0
    assert found["inference_request_rate"] == 0.03
