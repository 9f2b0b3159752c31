"""From an InferenceScaler as it is written to the `Scaler` that the rest works with, or to everything that is wrong with it.

pydantic stays on this side of the door: what comes out are frozen dataclasses.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Annotated, Any, TypeVar

import pydantic

from adapter import selector, yamltext
from autoscaler.decision import model
from autoscaler.errors import InvalidScalerError, Problem
from autoscaler.resource import boosts, checks, metrics, schema
from autoscaler.resource.scaler import API_VERSION, KIND, Key, Query, Scaler, Schedule, TargetRef

_Model = TypeVar("_Model", bound=pydantic.BaseModel)

_TOP_LEVEL = ("apiVersion", "kind", "metadata", "spec", "status")


class _Metadata(pydantic.BaseModel):
    """What is needed of an object's metadata; a manifest that was never applied has no more than a name."""

    model_config = pydantic.ConfigDict(frozen=True)

    name: Annotated[str, pydantic.Field(min_length=1)]
    namespace: str = "default"
    uid: str = ""
    generation: Annotated[int, pydantic.Strict()] = 0
    creationTimestamp: datetime | None = None  # noqa: N815 - as the API server spells it
    annotations: dict[str, str] | None = None


def read(document: Mapping[str, Any], *, known_zone: Callable[[str], bool]) -> Scaler:
    """Return what *document* says; *known_zone* tells whether there is a time zone of that name.

    Raises:
        InvalidScalerError: anything in it is wrong; it lists every problem with its path.

    """
    told = checks.Told("", document)
    problems = [*_envelope(told)]
    metadata = _part(_Metadata, told["metadata"], problems)
    spec = _part(schema.Spec, told["spec"], problems)
    if isinstance(told["spec"].value, Mapping):
        problems += checks.problems(told["spec"], known_zone=known_zone)
    if metadata is None or spec is None or problems:
        raise InvalidScalerError(problems)
    signals = {hint.metric: hint for hint in spec.signals}
    found = [_signal(metric, signals.get(_identifier(metric).name)) for metric in spec.metrics]
    created = metadata.creationTimestamp
    boost, unread = boosts.read(metadata.annotations or {})
    return Scaler(
        key=Key(metadata.namespace, metadata.name),
        uid=metadata.uid,
        generation=metadata.generation,
        created_at=created.timestamp() if created is not None else 0.0,
        target=_ref(spec.scale_target_ref),
        policy=_policy(spec, tuple(found)),
        queries=tuple(map(_query, spec.metrics)),
        schedules=tuple(Schedule(**dict(schedule)) for schedule in spec.schedules),
        boost=boost,
        history_query=spec.forecast.history_query or "",
        notes=(*_notes(spec, found), *unread),
    )


# ── what is wrong with it ────────────────────────────────────────────────────────────────────────────────────────────────────

_WORDS = {
    "extra_forbidden": "is not a known field: check its spelling",
    "missing": "is missing",
    "model_type": "must be a mapping",
    "dict_type": "must be a mapping",
    "tuple_type": "must be a list",
    "string_type": "must be text: put it in quotes",
    "int_type": "must be a whole number",
    "float_type": "must be a number",
    "finite_number": "must be a finite number",
    "too_short": "must have at least one entry",
    "bool_type": "must be true or false",
}


def _envelope(told: checks.Told) -> Iterator[Problem]:
    for field, wanted in (("apiVersion", API_VERSION), ("kind", KIND)):
        if told[field].value != wanted:
            yield told[field].problem(f"must be {wanted}")
    for field in ("metadata", "spec"):
        if not told[field].given:
            yield told[field].problem(_WORDS["missing"])
    if isinstance(told.value, Mapping):
        for key in told.value:
            if key not in _TOP_LEVEL:
                yield told[str(key)].problem(_WORDS["extra_forbidden"])


def _part(kind: type[_Model], told: checks.Told, problems: list[Problem]) -> _Model | None:
    """Return *told* as a *kind*, or None with what is wrong with its fields among the *problems*."""
    if not told.given:
        return None
    try:
        return kind.model_validate(told.value)
    except pydantic.ValidationError as error:
        details = error.errors(include_url=False)
        # A list of bad entries is told to be too short as well, since no good one is left.
        bad = {detail["loc"][:length] for detail in details for length in range(len(detail["loc"]))}
        problems += [_problem(told.path, detail) for detail in details if detail["type"] != "too_short" or detail["loc"] not in bad]
        return None


def _problem(path: str, detail: Any) -> Problem:
    below = yamltext.dotted(tuple(step for step in detail["loc"] if step != "[key]"))
    where = f"{path}{'' if below.startswith('[') or not below else '.'}{below}"
    message = _WORDS.get(detail["type"]) or str(detail["msg"]).removeprefix("Value error, ").replace("Input should", "must")
    if detail["type"] == "enum" and isinstance(detail["input"], bool):
        message += ": YAML reads a bare word such as Off as true or false, so put it in quotes"
    return Problem(where, message)


# ── what it says ─────────────────────────────────────────────────────────────────────────────────────────────────────────────


def _ref(told: schema.ScaleTargetRef | schema.DescribedObject) -> TargetRef:
    return TargetRef(told.api_version, told.kind, told.name)


def _member(metric: schema.Metric) -> schema.PodsMetric | schema.ObjectMetric | schema.ExternalMetric:
    found = metric.pods or metric.object or metric.external
    if found is None:
        raise ValueError(f"a metric of type {metric.type} passed the checks without saying which one it is")
    return found


def _identifier(metric: schema.Metric) -> schema.MetricIdentifier:
    return _member(metric).metric


def _query(metric: schema.Metric) -> Query:
    named = _identifier(metric)
    selected = selector.from_label_selector(named.selector.model_dump(by_alias=True)) if named.selector else ""
    return Query(
        source=model.Source(metric.type),
        metric=named.name,
        metric_selector=str(selected),
        described=_ref(metric.object.described_object) if metric.object else None,
    )


def _signal(metric: schema.Metric, hint: schema.SignalHint | None) -> model.Signal:
    name, target = _identifier(metric).name, _member(metric).target
    known = metrics.known(name)
    kind = hint.kind if hint is not None and hint.kind is not None else known.kind
    target_milli = target.average_value if target.average_value is not None else target.value
    if target_milli is None:
        raise ValueError(f"metric {name} passed the checks without a target")
    stale_after_s = hint.stale_after_seconds if hint is not None else None
    return model.Signal(
        name=name,
        kind=kind,
        source=model.Source(metric.type),
        target_type=target.type,
        target_milli=target_milli,
        stale_after_s=float(stale_after_s) if stale_after_s is not None else known.stale_after_s,
        learned=hint is not None and hint.learn_capacity,
        percent=known.percent or (name not in metrics.NAMES and kind is model.Kind.UTILIZATION and target_milli > 1000),
    )


def _policy(spec: schema.Spec, signals: tuple[model.Signal, ...]) -> model.Policy:
    down, forecast, pool, idle, missing = spec.scale_down, spec.forecast, spec.warm_pool, spec.idle, spec.on_missing
    ours = model.Behavior()
    return model.Policy(
        min_replicas=spec.min_replicas,
        max_replicas=spec.max_replicas,
        signals=signals,
        behavior=model.Behavior(
            up=_direction(spec.behavior.scale_up, ours.up), down=_direction(spec.behavior.scale_down, ours.down)
        ),
        scale_down=model.ScaleDown(
            rule=down.rule,
            band_ratio=down.band_ratio,
            cooldown_s=float(down.cooldown_seconds),
            min_coverage_ratio=down.min_coverage_ratio,
        ),
        startup=model.StartupPrior(p50_s=float(spec.startup.prior.p50_seconds), p90_s=float(spec.startup.prior.p90_seconds)),
        forecast=model.ForecastPolicy(
            mode=forecast.mode, quantile=forecast.quantile, max_horizon_s=float(forecast.max_horizon_seconds)
        ),
        warm_pool=model.WarmPool(min=pool.min, max=pool.max, quantile=pool.quantile, at_zero=pool.at_zero),
        idle=_idle(idle) if idle is not None else None,
        on_missing=model.OnMissing(
            behavior=missing.behavior,
            replicas=missing.replicas,
            after_s=float(missing.after_seconds),
            fail_open=missing.fail_open,
        ),
        max_gpus=spec.budget.max_gpus,
        urgent_ratio=None if spec.urgent.disabled else spec.urgent.ratio,
        mode=spec.mode,
        conflict=spec.conflict_policy,
    )


def _idle(told: schema.IdleSpec) -> model.Idle:
    zero_after_s = told.zero_after_seconds
    return model.Idle(
        replicas=told.replicas,
        after_s=float(told.after_seconds),
        zero_after_s=float(zero_after_s) if zero_after_s is not None else None,
    )


def _direction(told: schema.ScalingRules, ours: model.Direction) -> model.Direction:
    """Return *told* with *ours* for what it leaves out."""
    window_s = told.stabilization_window_seconds
    told_rates = tuple(model.Rate(each.type, each.value, each.period_seconds) for each in told.policies or ())
    return model.Direction(
        window_s=window_s if window_s is not None else ours.window_s,
        select=told.select_policy,
        rates=told_rates or ours.rates,
        tolerance=told.tolerance if told.tolerance is not None else ours.tolerance,
    )


# ── what is legal, and yet not what its author may have meant ────────────────────────────────────────────────────────────────


def _notes(spec: schema.Spec, signals: Sequence[model.Signal]) -> Iterator[str]:
    yield from _notes_on_rest(spec)
    for signal in signals:
        yield from _notes_on_signal(signal, to_zero=spec.min_replicas == 0)
    down, pool = spec.scale_down, spec.warm_pool
    if down.rule is not model.DownRule.BAND and "band_ratio" in down.model_fields_set:
        yield f"spec.scaleDown.bandRatio: means something with rule Band only, and the rule is {down.rule}"
    if pool.max == 0 and pool.model_fields_set - {"min", "max"}:
        yield "spec.warmPool: there is no pool while max is 0"
    if spec.on_missing.behavior is not model.MissingBehavior.HOLD and spec.on_missing.replicas < spec.min_replicas:
        yield f"spec.onMissing.replicas: {spec.on_missing.replicas} is below minReplicas {spec.min_replicas}, which holds here too"
    if spec.urgent.disabled and "ratio" in spec.urgent.model_fields_set:
        yield "spec.urgent.ratio: means nothing while urgent.disabled is true"


def _notes_on_rest(spec: schema.Spec) -> Iterator[str]:
    idle = spec.idle
    if idle is None:
        if spec.min_replicas == 0 and spec.scale_down.rule is not model.DownRule.TARGET:
            yield "spec.minReplicas: 0 is never reached without idle.zeroAfterSeconds: 1 is the floor"
        return
    if spec.min_replicas == 0 and idle.zero_after_seconds is None:
        yield f"spec.minReplicas: 0 is never reached without idle.zeroAfterSeconds: idle.replicas {idle.replicas} is the floor"
    if spec.min_replicas > 0 and idle.zero_after_seconds is not None:
        yield f"spec.idle.zeroAfterSeconds: has no effect, since minReplicas is {spec.min_replicas}"
    if idle.zero_after_seconds is not None and idle.zero_after_seconds < idle.after_seconds:
        yield f"spec.idle.zeroAfterSeconds: {idle.zero_after_seconds} is shorter than afterSeconds, so {idle.after_seconds} counts"


def _notes_on_signal(signal: model.Signal, *, to_zero: bool) -> Iterator[str]:
    target = signal.target_milli / 1000
    if signal.kind is model.Kind.UTILIZATION and signal.percent and target <= 1:
        yield f"spec.metrics: {signal.name} runs from 0 to 100, and its target is {target:g}: {target * 100:g} may be meant"
    if signal.kind in (model.Kind.UTILIZATION, model.Kind.KV_CACHE) and not signal.percent and target > 1:
        yield f"spec.metrics: {signal.name} runs from 0 to 1, and its target is {target:g}: it is never reached"
    if to_zero and signal.kind is model.Kind.OTHER and signal.source is not model.Source.PODS:
        yield f"spec.signals: nothing says what {signal.name} measures: if it is a queue, give it kind Queue"
