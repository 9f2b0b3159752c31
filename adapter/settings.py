"""The configuration file: read, checked as a whole, and turned into the values that the rest of the adapter works with.

Everything that is wrong with a file is reported at once, each problem with its path and line; a file with a problem is refused
whole. `yamltext` knows the lines, `schema` and `entries` what an entry may say, and this module what the entries mean together.
pydantic stays on this side of the door: what comes out are frozen dataclasses.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from adapter import entries, errors, schema, selector, yamltext
from adapter.entries import What
from adapter.rules import model, presets
from adapter.sources import credentials, prometheus, scrape, targets


@dataclass(frozen=True, slots=True)
class PrometheusSource:
    """A named Prometheus."""

    name: str
    settings: prometheus.PrometheusSettings


@dataclass(frozen=True, slots=True)
class ScrapeSource:
    """A named scrape, and where its targets come from (exactly one of the three)."""

    name: str
    settings: scrape.ScrapeSettings
    page: targets.Page
    pods: "PodTargets | None" = None
    endpoints: "EndpointTargets | None" = None
    static: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class PodTargets:
    """Live pods that a selector matches; no namespaces means all of them."""

    selector: selector.Selector
    namespaces: tuple[str, ...]
    port: int | str


@dataclass(frozen=True, slots=True)
class EndpointTargets:
    """The ready addresses of a Service."""

    namespace: str
    service: str
    port: int | str


SourceSettings = PrometheusSource | ScrapeSource


@dataclass(frozen=True, slots=True)
class Settings:
    """What a configuration file says."""

    sources: tuple[SourceSettings, ...]
    rules: tuple[model.Rule, ...]


def load(path: Path) -> Settings:
    """Return what the file at *path* says.

    Raises:
        ConfigError: the file cannot be read, or anything in it is wrong; it lists every problem.

    """
    return parse(yamltext.of(path), file=str(path))


def parse(text: str, *, file: str = "configuration") -> Settings:
    """Return what *text* (YAML) says; *file* is what problems call it.

    Raises:
        ConfigError: anything in it is wrong; it lists every problem.

    """
    document = yamltext.read(text, file=file)
    told = entries.read(document.content)
    sources, wrong = _sources(told.sources)
    rules, why = _all_rules(told)
    problems = [*document.problems, *(document.problem(*what) for what in (*told.problems, *wrong, *why))]
    if problems:
        raise errors.ConfigError(file, sorted(problems, key=lambda problem: problem.line or 0))
    return Settings(tuple(sources), tuple(rules))


def _sources(told: entries.Entries[schema.Source]) -> tuple[list[SourceSettings], list[What]]:
    sources: list[SourceSettings] = []
    problems: list[What] = []
    names: set[str] = set()
    for position, source in told.good.items():
        if source.name in names:
            problems.append((("sources", position, "name"), f"two sources are named {source.name}"))
        names.add(source.name)
        if source.scrape is not None:
            problems += [(("sources", position, *place), message) for place, message in _of_static(source.scrape)]
        try:
            sources.append(_source(source))
        except ValueError as error:
            kind = "prometheus" if source.prometheus is not None else "scrape"
            problems.append((("sources", position, kind), str(error)))
    return sources, problems


def _of_static(told: schema.Scrape) -> Iterator[What]:
    page = targets.Page(scheme=told.scheme, path=told.path)
    for position, address in enumerate(told.static):
        try:
            targets.static_targets([address], page)
        except ValueError as error:
            yield ("scrape", "static", position), str(error)


def _all_rules(told: entries.File) -> tuple[list[model.Rule], list[What]]:
    """Return the rules of every entry, and what is wrong with them in the light of the sources and of one another."""
    rules: list[model.Rule] = []
    problems: list[What] = []
    named: dict[str, int] = {}
    folds: dict[str, tuple[model.Fold, int]] = {}
    for position, entry in told.rules.good.items():
        found, why = _rules(entry, told.sources)
        problems += [(("rules", position, *place), message) for place, message in why]
        twice: dict[int, list[str]] = {}
        for rule in found:
            first = named.setdefault(rule.name, position)
            if first != position:
                twice.setdefault(first, []).append(rule.name)
                continue
            rules.append(rule)
            if not isinstance(rule.objects, model.PodObject) or rule.owner_fold is None:
                continue
            fold, before = folds.setdefault(rule.metric, (rule.owner_fold, position))
            if fold is not rule.owner_fold:
                message = f"{rule.metric} of a workload would be the {rule.owner_fold.value} of its pods', and is the {fold.value}"
                problems.append((("rules", position, "owner"), f"{message} by rules[{before}]: say the same in both"))
        for first, names in twice.items():
            what = f"{names[0]}, and {len(names) - 1} more," if len(names) > 1 else names[0]
            message = f"{what} is named by rules[{first}] already: leave one out, or give this one a name of its own"
            problems.append((("rules", position, "name"), message))
    return rules, problems


def _source(source: schema.Source) -> SourceSettings:
    if source.prometheus is not None:
        return PrometheusSource(source.name, _prometheus(source.prometheus))
    assert source.scrape is not None  # noqa: S101 - `schema` refuses anything else
    told = source.scrape
    return ScrapeSource(
        source.name,
        _scrape(told),
        targets.Page(scheme=told.scheme, path=told.path),
        PodTargets(selector.parse(told.pods.selector), told.pods.namespaces, told.pods.port) if told.pods else None,
        EndpointTargets(told.endpoints.namespace, told.endpoints.service, told.endpoints.port) if told.endpoints else None,
        told.static,
    )


def _prometheus(told: schema.Prometheus) -> prometheus.PrometheusSettings:
    return prometheus.PrometheusSettings(
        url=told.url,
        interval_s=told.interval,
        timeout_s=told.timeout,
        auth=_auth(told.auth),
        tls=_tls(told.tls),
        headers=told.headers,
        header_files=told.header_files,
        query_params=told.query_params,
        max_series=told.max_series,
    )


def _scrape(told: schema.Scrape) -> scrape.ScrapeSettings:
    return scrape.ScrapeSettings(
        interval_s=told.interval,
        timeout_s=told.timeout,
        max_series=told.max_series,
        max_body_bytes=told.max_body_bytes,
        auth=_auth(told.auth),
        tls=_tls(told.tls),
    )


def _auth(told: schema.Auth) -> credentials.Auth:
    return credentials.Auth(bearer_token_file=told.bearer_token_file, username=told.username, password_file=told.password_file)


def _tls(told: schema.Tls) -> credentials.Tls:
    return credentials.Tls(ca_file=told.ca_file, cert_file=told.cert_file, key_file=told.key_file, server_name=told.server_name)


def _rules(told: schema.Rule, sources: entries.Entries[schema.Source]) -> tuple[list[model.Rule], list[What]]:
    """Return the rules that an entry stands for, and what is wrong with it in the light of the sources."""
    by_name = {source.name: source for source in sources.good.values()}
    if told.source is None and sources.count > 1:
        return [], [(("source",), f"is missing, and there are several: one of {', '.join(by_name)}")]
    source = by_name.get(told.source) if told.source is not None else next(iter(by_name.values()), None)
    # What names a source whose own entry is refused is not at fault for that; `name` may be what is wrong there.
    if source is None and (told.source is None or told.source in sources.refused or None in sources.refused):
        return [], []
    if source is None:
        return [], [(("source",), f"no source is named {told.source}: there are {', '.join(by_name)}")]
    why: list[What] = []
    if told.preset is not None:
        served = presets.metrics(told.preset)
        for position, metric in enumerate(told.only):
            if metric not in served:
                why.append((("only", position), f"preset {told.preset} has no metric {metric}"))
        found = presets.rules(told.preset, source=source.name, only=told.only, max_age_s=told.max_age)
        prefix = told.name or told.preset
        rules = [replace(rule, name=f"{prefix}/{rule.metric}") for rule in found]
    else:
        rules = [_rule(told, source.name)]
    return rules, [*why, *_fits(told, rules, source)]


def _fits(told: schema.Rule, rules: Sequence[model.Rule], source: schema.Source) -> Iterator[What]:
    """Yield what the rules ask of their source that it cannot do."""
    kind = source.prometheus or source.scrape
    assert kind is not None  # noqa: S101 - `schema` refuses anything else
    youngest = min((rule.max_age_s for rule in rules), default=None)
    if youngest is not None and youngest < 2 * kind.interval:
        yield (("maxAge",), f"{youngest:g}s is less than two intervals of {source.name} ({kind.interval:g}s): values would flicker")
    if source.scrape is None:
        return
    if told.promql is not None:
        yield (("promql",), f"needs a Prometheus, and {source.name} is a scrape: name the series instead")
    windows = {
        selection.measure.window_s
        for rule in rules
        for selection in rule.selections()
        if isinstance(selection.measure, model.Rate | model.Quantile)
    }
    if windows and min(windows) < 2 * kind.interval:
        yield (("measure",), f"a window of {min(windows):g}s holds fewer than two scrapes of {source.name} ({kind.interval:g}s)")


def _rule(told: schema.Rule, source: str) -> model.Rule:
    assert told.metric is not None  # noqa: S101 - `schema` refuses anything else
    assert told.reduce is not None  # noqa: S101 - `schema` refuses anything else
    return model.Rule(
        name=told.name or told.metric,
        metric=told.metric,
        source=source,
        of=(model.Term(tuple(model.Candidate(selection, told.factor) for selection in _selections(told))),),
        objects=_objects(told),
        reducer=model.Reducer(
            None if told.reduce is schema.Reduce.SINGLE else model.Fold(told.reduce.value), replicated=told.replicated
        ),
        owner_fold=model.Fold(told.owner) if told.owner else None,
        min_coverage_ratio=told.min_coverage_ratio,
        keep=told.keep,
        max_age_s=told.max_age or 60.0,
        absent_as=told.absent_as,
    )


def _selections(told: schema.Rule) -> Iterator[model.Selection]:
    if told.promql is not None:
        yield model.Selection(promql=told.promql)
        return
    # In one order, so that rules which ask for the same series share one selection.
    conditions = sorted(told.where.items(), key=lambda condition: condition[0])
    where = tuple(model.LabelMatch(label, model.MatchOp(match.op), match.value) for label, match in conditions)
    measure: model.Measure = model.Latest()
    if isinstance(told.measure, schema.Rate):
        measure = model.Rate(told.measure.rate)
    elif isinstance(told.measure, schema.Quantile):
        measure = model.Quantile(told.measure.quantile, told.measure.window)
    for name in told.series:
        yield model.Selection(name, where, measure)


def _objects(told: schema.Rule) -> model.Objects:
    match told.described:
        case "pods":
            return model.PodObject()
        case "namespace":
            return model.NamespaceObject()
        case "external":
            return model.ExternalObject(None)
        case schema.External(namespace_label=label):
            return model.ExternalObject(label)
        case schema.Named() as named:
            return model.NamedObject(named.resource, named.kind, named.api_version, named.name_label, named.namespace_label)
