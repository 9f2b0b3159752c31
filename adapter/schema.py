"""What an entry of a configuration file may say, field by field. `entries` sees to what its fields mean together."""

import re
from collections.abc import Mapping
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Literal

import pydantic
from pydantic.alias_generators import to_camel

from adapter import quantity, selector
from adapter.rules import model

_DURATION = re.compile(r"(?:\d+(?:\.\d+)?(?:ms|s|m|h|d))+")
_DURATION_PART = re.compile(r"(\d+(?:\.\d+)?)(ms|s|m|h|d)")
_UNITS_S = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_SOURCE_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,62}")
_RULE_NAME = re.compile(r"[^\s\x00-\x1f\x7f]{1,253}")
#: HPA's client builds a path from the name, so it must be one segment of it.
_METRIC_NAME = re.compile(r"(?!\.{1,2}\Z)[^\s\x00-\x1f\x7f-\x9f/%?#]{1,253}")
_KUBERNETES_NAME = re.compile(r"[a-z0-9](?:[-a-z0-9]{0,61}[a-z0-9])?")
_RESOURCE = re.compile(r"[a-z0-9](?:[-a-z0-9.]*[a-z0-9])?")
_URL = re.compile(r"https?://[^\s/?#@]+(?:/[^\s?#]*)?")
_HEADER_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_BRACKETS = frozenset("{}()[]")


def duration(value: object) -> float:
    """Return a duration such as ``15s``, ``1m30s``, ``500ms`` or a number of seconds, in seconds."""
    if isinstance(value, int | float) and not isinstance(value, bool):
        seconds = float(value)
    elif isinstance(value, str) and _DURATION.fullmatch(value):
        seconds = sum(float(amount) * _UNITS_S[unit] for amount, unit in _DURATION_PART.findall(value))
    else:
        raise ValueError(f"{value!r} is no duration: write it as 15s, 2m or 500ms")
    if not 0 < seconds < 86400 * 366:
        raise ValueError(f"{value!r} must be longer than zero and shorter than a year")
    return seconds


def _port(value: object) -> int | str:
    if isinstance(value, int) and not isinstance(value, bool) and 0 < value < 65536:
        return value
    if isinstance(value, str) and _KUBERNETES_NAME.fullmatch(value) and len(value) <= 15 and not value.isdigit():
        return value
    raise ValueError(f"{value!r} is no port: give its number, 1 to 65535, or the name that the container has for it")


def _matches(pattern: re.Pattern[str], rule: str) -> pydantic.AfterValidator:
    def check(text: str) -> str:
        if not pattern.fullmatch(text):
            raise ValueError(f"{text!r} {rule}")
        return text

    return pydantic.AfterValidator(check)


def _series_name(text: str) -> str:
    if not text or not text.isprintable() or text != text.strip():
        raise ValueError(f"{text!r} is no name of a series")
    if _BRACKETS & set(text):
        raise ValueError(f"{text!r} is an expression, and series are names: put conditions under where, or the whole under promql")
    return text


def _label_name(text: str) -> str:
    if not text or not text.isprintable() or text != text.strip():
        raise ValueError(f"{text!r} is no name of a label")
    return text


def _selector(text: str) -> str:
    selector.parse(text)
    return text


def _expression(text: str) -> str:
    if not text.strip():
        raise ValueError("is empty: give a PromQL expression")
    return text


def one_or_more(value: object) -> object:
    """Return a single text as a list of one."""
    return (value,) if isinstance(value, str) else value


_Many = pydantic.BeforeValidator(one_or_more)
_Duration = Annotated[float, pydantic.BeforeValidator(duration)]
_Port = Annotated[int | str, pydantic.PlainValidator(_port)]
_KubernetesName = Annotated[str, _matches(_KUBERNETES_NAME, "is no name of a Kubernetes object: it takes a-z, 0-9 and '-'")]
_SeriesName = Annotated[str, pydantic.AfterValidator(_series_name)]
_LabelName = Annotated[str, pydantic.AfterValidator(_label_name)]
_HeaderName = Annotated[str, _matches(_HEADER_NAME, "is no header name")]
_Positive = Annotated[int, pydantic.Field(gt=0)]


class Entry(pydantic.BaseModel):
    """What every entry has in common: names as the file spells them, and none that are not known."""

    model_config = pydantic.ConfigDict(
        extra="forbid", frozen=True, alias_generator=to_camel, validate_by_name=False, validate_by_alias=True, allow_inf_nan=False
    )


class Tls(Entry):
    """How to verify a source's certificate, and which one to show it."""

    ca_file: Path | None = None
    cert_file: Path | None = None
    key_file: Path | None = None
    server_name: str | None = None


class Auth(Entry):
    """Who we are to a source; files are read again whenever they change."""

    bearer_token_file: Path | None = None
    username: str | None = None
    password_file: Path | None = None


class Prometheus(Entry):
    """A Prometheus, or a backend that answers its HTTP API."""

    url: str
    interval: _Duration = 15.0
    timeout: _Duration = 5.0
    auth: Auth = Auth()
    tls: Tls = Tls()
    headers: dict[_HeaderName, str] = {}
    header_files: dict[_HeaderName, Path] = {}
    query_params: dict[str, str] = {}
    max_series: _Positive = 100_000

    @pydantic.field_validator("url")
    @classmethod
    def _http(cls, url: str) -> str:
        if not _URL.fullmatch(url):
            # It may hold a password, so it is not repeated.
            raise ValueError("is no base URL: write http(s)://host[:port][/prefix]; credentials go under auth")
        return url.rstrip("/")


class PodTargets(Entry):
    """Live pods, by label selector."""

    selector: Annotated[str, pydantic.AfterValidator(_selector)] = ""
    namespaces: Annotated[tuple[_KubernetesName, ...], _Many] = ()
    port: _Port


class EndpointTargets(Entry):
    """The ready addresses of a Service."""

    namespace: _KubernetesName
    service: _KubernetesName
    port: _Port


class Scrape(Entry):
    """Pages that the adapter reads by itself."""

    pods: PodTargets | None = None
    endpoints: EndpointTargets | None = None
    static: Annotated[tuple[str, ...], _Many] = ()
    interval: _Duration = 5.0
    timeout: _Duration = 3.0
    path: Annotated[str, _matches(re.compile(r"/[^\s#]*"), "is no path: it begins with '/'")] = "/metrics"
    scheme: Literal["http", "https"] = "http"
    auth: Auth = Auth()
    tls: Tls = Tls()
    max_series: _Positive = 100_000
    max_body_bytes: _Positive = 4 * 2**20


class Source(Entry):
    """A named source of one kind."""

    name: Annotated[str, _matches(_SOURCE_NAME, "is no name of a source: it takes up to 63 letters, digits, '_', '.' and '-'")]
    prometheus: Prometheus | None = None
    scrape: Scrape | None = None


class Match(Entry):
    """A condition on a label."""

    op: Literal["=", "!=", "=~", "!~"] = "="
    value: str

    @pydantic.model_validator(mode="after")
    def _compiles(self) -> "Match":
        if self.op in {"=~", "!~"}:
            try:
                model.LabelMatch("label", model.MatchOp(self.op), self.value).holds("")
            except re.error as error:
                raise ValueError(f"{self.value!r} is no regular expression: {error}") from error
        return self


class Rate(Entry):
    """The increase of a counter per second, over a window."""

    rate: _Duration


class Quantile(Entry):
    """A quantile of a histogram, over a window."""

    quantile: Annotated[float, pydantic.Field(ge=0, le=1)]
    window: _Duration = 120.0


class Named(Entry):
    """An object of any kind, named by labels."""

    resource: Annotated[str, _matches(_RESOURCE, "is no resource: write its plural with its group, such as deployments.apps")]
    kind: str
    api_version: str
    name_label: _LabelName
    namespace_label: _LabelName | None = None


class External(Entry):
    """No object; the namespace may be named by a label."""

    external: Literal[True]
    namespace_label: _LabelName | None = None


class Reduce(StrEnum):
    """How several series of one object become one."""

    SUM = "sum"
    MEAN = "mean"
    MAX = "max"
    MIN = "min"
    SINGLE = "single"


def _tag(value: object, *keys: str) -> str | None:
    """Return which of a union's branches *value* is meant for; pydantic puts it into a problem's place, and `entries` out of it."""
    if isinstance(value, str):
        return "<word>"
    if isinstance(value, Mapping):
        return next((f"<{key}>" for key in keys if key in value), f"<{keys[-1]}>")
    return None


_Measure = Annotated[
    Annotated[Literal["latest"], pydantic.Tag("<word>")]
    | Annotated[Rate, pydantic.Tag("<rate>")]
    | Annotated[Quantile, pydantic.Tag("<quantile>")],
    pydantic.Discriminator(
        lambda value: _tag(value, "rate", "quantile"),
        custom_error_type="measure",
        custom_error_message="must be latest, or a mapping with rate or quantile",
    ),
]
_Object = Annotated[
    Annotated[Literal["pods", "namespace", "external"], pydantic.Tag("<word>")]
    | Annotated[External, pydantic.Tag("<external>")]
    | Annotated[Named, pydantic.Tag("<named>")],
    pydantic.Discriminator(
        lambda value: _tag(value, "external", "named"),
        custom_error_type="object",
        custom_error_message="must be pods, namespace, external, or a mapping with resource, kind, apiVersion and nameLabel",
    ),
]


class Rule(Entry):
    """A rule, or a preset that stands for several."""

    source: str | None = None
    name: Annotated[str, _matches(_RULE_NAME, "is no name of a rule: it takes up to 253 characters without blanks")] | None = None
    max_age: _Duration | None = None

    preset: str | None = None
    only: Annotated[tuple[str, ...], _Many] = ()

    metric: (
        Annotated[str, _matches(_METRIC_NAME, "cannot be one segment of a path: leave out '/', '%', '?', '#' and blanks")] | None
    ) = None
    series: Annotated[tuple[_SeriesName, ...], _Many] = ()
    where: dict[_LabelName, Match] = {}
    measure: _Measure = "latest"
    promql: Annotated[str, pydantic.AfterValidator(_expression)] | None = None
    described: Annotated[_Object, pydantic.Field(alias="object")] = "pods"
    reduce: Reduce | None = None
    replicated: Annotated[tuple[_LabelName, ...], _Many] = ()
    owner: Literal["sum", "mean", "max", "min"] | None = None
    keep: Annotated[tuple[_LabelName, ...], _Many] = ()
    factor: float = 1.0
    min_coverage_ratio: Annotated[float, pydantic.Field(gt=0, le=1)] = 0.8
    absent_as: Annotated[float, pydantic.Field(ge=-quantity.MAX_MAGNITUDE, le=quantity.MAX_MAGNITUDE)] | None = None

    @pydantic.field_validator("where", mode="before")
    @classmethod
    def _short(cls, where: object) -> object:
        if not isinstance(where, Mapping):
            return where
        return {label: match if isinstance(match, Mapping) else {"value": match} for label, match in where.items()}

    @pydantic.field_validator("factor")
    @classmethod
    def _some(cls, factor: float) -> float:
        if factor == 0.0:
            raise ValueError("would make every value zero")
        return factor
