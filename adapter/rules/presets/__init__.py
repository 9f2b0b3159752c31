"""Working rules for exporters and engines, by name: a preset and a source are all that a configuration needs.

Each module is one preset: a sentence about it, and what it serves. Every preset serves the series' own names, and as much of one
canonical set as its engine can tell: ``gpu_utilization``, ``inference_queue_size``, ``inference_requests_running``,
``inference_requests_in_flight``, ``inference_request_rate``, ``kv_cache_usage``, ``time_to_first_token_p90_seconds``,
``inter_token_latency_p90_seconds`` and ``tokens_per_second``. What an engine cannot tell is not in its preset.
"""

from collections.abc import Collection, Mapping
from dataclasses import replace
from types import ModuleType

from adapter.rules.model import Candidate, LabelMatch, Rule, Selection, Term
from adapter.rules.presets import dcgm, rayserve, sglang, tgi, triton, trtllm, vllm
from adapter.rules.presets.recipe import Recipe

#: Rates and quantiles are taken over this long: four scrapes of 30 s, so that one that fails leaves enough of them.
DEFAULT_WINDOW_S = 120.0

_MODULES: Mapping[str, ModuleType] = {
    "dcgm": dcgm,
    "vllm": vllm,
    "sglang": sglang,
    "triton": triton,
    "tgi": tgi,
    "trtllm": trtllm,
    "rayserve": rayserve,
}


def names() -> tuple[str, ...]:
    """Return the presets there are."""
    return tuple(_MODULES)


def describe(preset: str) -> str:
    """Return a line about *preset*."""
    description: str = _MODULES[preset].DESCRIPTION
    return description


def metrics(preset: str) -> tuple[str, ...]:
    """Return the metrics that *preset* serves, the canonical ones first."""
    return tuple(recipe.metric for recipe in _recipes(preset, DEFAULT_WINDOW_S))


def rules(
    preset: str,
    *,
    source: str,
    only: Collection[str] = (),
    where: Collection[LabelMatch] = (),
    window_s: float = DEFAULT_WINDOW_S,
    max_age_s: float | None = None,
) -> tuple[Rule, ...]:
    """Return *preset*'s rules, reading *source*.

    Args:
        preset: one of `names`.
        source: the source's name.
        only: the metrics to serve; none given means all of them. A name that the preset does not serve is ignored.
        where: conditions that every series has to meet as well, such as a model's name.
        window_s: what rates and quantiles are taken over, in seconds.
        max_age_s: how old a value may be that is served; None keeps the preset's own limit.

    Raises:
        KeyError: no preset has that name.

    """
    return tuple(
        Rule(
            name=f"{preset}/{recipe.metric}",
            metric=recipe.metric,
            source=source,
            of=tuple(_narrowed(term, where) for term in recipe.of),
            over=tuple(_narrowed(term, where) for term in recipe.over),
            objects=recipe.objects,
            reducer=recipe.reducer,
            owner_fold=recipe.owner_fold,
            keep=recipe.keep,
            max_age_s=max_age_s if max_age_s is not None else recipe.max_age_s,
        )
        for recipe in _recipes(preset, window_s)
        if not only or recipe.metric in only
    )


def _recipes(preset: str, window_s: float) -> tuple[Recipe, ...]:
    found: tuple[Recipe, ...] = _MODULES[preset].recipes(window_s)
    return found


def _narrowed(term: Term, where: Collection[LabelMatch]) -> Term:
    def selection(selection: Selection) -> Selection:
        return replace(selection, where=(*selection.where, *where))

    return Term(tuple(Candidate(selection(one.selection), one.factor) for one in term.any_of)) if where else term
