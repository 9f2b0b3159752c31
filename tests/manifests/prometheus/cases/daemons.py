"""Cases of the alerts on how the two daemons fare."""

from tests.manifests.prometheus.cases import Case, Fired, Shows, series


def _of(component: str, name: str, replica: int = 0, **labels: str) -> str:
    said = {
        "namespace": "leadtime",
        "job": f"leadtime-{component}",
        "pod": f"leadtime-{component}-{replica}",
        "instance": f"10.0.0.{replica}:8443",
        **labels,
    }
    return series(name, said)


def _adapter(name: str, replica: int = 0, **labels: str) -> str:
    return _of("adapter", f"leadtime_adapter_{name}", replica, **labels)


def _autoscaler(name: str, replica: int = 0, **labels: str) -> str:
    return _of("autoscaler", f"leadtime_{name}", replica, **labels)


_INSTALLED = {"namespace": "leadtime"}

_NO_LEADER = "LeadtimeNoLeader"
_NONE_LEADS = "No controller of Leadtime leads in leadtime."
_BLIND = (
    "No replica of leadtime-autoscaler in leadtime that Prometheus can read holds the Lease, or none can be read at all. Nothing is"
    " scaled, and every other alert on its scalers is blind."
)
_IDLE = Fired({**_INSTALLED, "job": "leadtime-autoscaler"}, _NONE_LEADS, _BLIND)
_LEADERS = (
    Case(
        _NO_LEADER, Shows.FIRES, "both stand by", "2m", {_autoscaler("leader", 0): "0x9", _autoscaler("leader", 1): "0x9"}, [_IDLE]
    ),
    Case(_NO_LEADER, Shows.BELOW, "one leads", "9m", {_autoscaler("leader", 0): "0x9", _autoscaler("leader", 1): "1x9"}),
    Case(
        _NO_LEADER, Shows.FIRES, "one failed scrape does not begin it anew", "2m", {_autoscaler("leader"): "0 stale 0x9"}, [_IDLE]
    ),
    Case(_NO_LEADER, Shows.TOO_SHORT, "for less than two minutes", "1m", {_autoscaler("leader", 0): "0x9"}),
    Case(
        _NO_LEADER,
        Shows.FIRES,
        "the one that led cannot be read any more",
        "7m",  # two minutes after what it said last is two minutes old
        {_autoscaler("leader", 0): "0x20", _autoscaler("leader", 1): "1x3 stale"},
        [_IDLE],
    ),
    Case(
        _NO_LEADER,
        Shows.UNSEEN,
        "the one that leads cannot be read once",
        "9m",
        {_autoscaler("leader", 0): "0x20", _autoscaler("leader", 1): "1x3 stale 1x20"},
    ),
    Case(
        _NO_LEADER,
        Shows.FIRES,
        "all are gone",
        "12m",
        {_autoscaler("leader", 0): "1x3 stale", 'up{job="else"}': "1x20"},
        [Fired(_INSTALLED, _NONE_LEADS, _BLIND)],
    ),
    Case(
        _NO_LEADER,
        Shows.FIRES,
        "all are gone, and another installation's leads",
        "12m",
        {_autoscaler("leader"): "1x3 stale", _autoscaler("leader", namespace="team-a"): "1x20"},
        [Fired(_INSTALLED, _NONE_LEADS, _BLIND)],
    ),
    Case(
        _NO_LEADER,
        Shows.BELOW,
        "it is another installation that has no leader, which its own rule says",
        "9m",
        {_autoscaler("leader"): "1x20", _autoscaler("leader", namespace="team-a"): "0x20"},
    ),
)

_LATE = "LeadtimeTicksLate"


def _ticks(late: str) -> dict[str, str]:
    return {_autoscaler("ticks_late_total"): late, _autoscaler("ticks_total"): "0+100x40"}


_BEHIND = Fired(
    {**_INSTALLED, "job": "leadtime-autoscaler"},
    "The controller in leadtime does not keep up.",
    "6% of the decisions of leadtime-autoscaler in leadtime begin more than a second late: what they rest on has aged by as much.",
)
_PUNCTUALITY = (
    # The first rate is that of minute 1.
    Case(_LATE, Shows.FIRES, "six in a hundred are late", "16m", _ticks("0+6x40"), [_BEHIND]),
    Case(_LATE, Shows.BELOW, "five in a hundred are late", "40m", _ticks("0+5x40")),
    Case(_LATE, Shows.TOO_SHORT, "for less than a quarter of an hour", "15m", _ticks("0+6x40")),
    Case(_LATE, Shows.UNSEEN, "nothing is decided at all", "40m", dict.fromkeys(_ticks(""), "9x40")),
)

_WATCH = "LeadtimeWatchBroken"
_PODS = _autoscaler("watch_failures", resource="pods")
_DEAF = Fired(
    {**_INSTALLED, "pod": "leadtime-autoscaler-0", "resource": "pods"},
    "leadtime-autoscaler-0 cannot watch pods.",
    "The watch of pods by leadtime-autoscaler-0 in leadtime has failed 4 times in a row. What it knows of them is as old.",
)
_WATCHES = (
    Case(_WATCH, Shows.FIRES, "it has failed four times", "5m", {_PODS: "4x9"}, [_DEAF]),
    Case(_WATCH, Shows.BELOW, "it has failed three times", "9m", {_PODS: "3x9"}),
    Case(_WATCH, Shows.TOO_SHORT, "for less than five minutes", "4m", {_PODS: "4x9"}),
    Case(_WATCH, Shows.FIRES, "one failed scrape does not begin it anew", "5m", {_PODS: "4x2 stale 4x9"}, [_DEAF]),
    Case(_WATCH, Shows.UNSEEN, "the pod is gone", "9m", {_PODS: "4x2 stale"}),
)

_DOWN = "LeadtimeAdapterDown"
_RELOADED = _adapter("config_reload_successful")
_GONE = Fired(
    {},
    "No adapter of Leadtime can be read.",
    "Prometheus has read no replica of leadtime-adapter for five minutes. If they are down, no HPA and no InferenceScaler that"
    " rests on custom metrics is scaled down, and none sees its load.",
)
_ADAPTERS = (
    # What it said in minute 3 is five minutes old in minute 8.
    Case(_DOWN, Shows.FIRES, "the last one went", "9m", {_RELOADED: "1x3 stale"}, [_GONE]),
    Case(_DOWN, Shows.BELOW, "one is there", "20m", {_RELOADED: "1x3 stale", _adapter("config_reload_successful", 1): "1x20"}),
    Case(_DOWN, Shows.TOO_SHORT, "five minutes are not over, and one", "8m", {_RELOADED: "1x3 stale"}),
    Case(_DOWN, Shows.UNSEEN, "it cannot be read for minutes", "9m", {_RELOADED: "1x3 stale _x2 1x9"}),
)

_API = "LeadtimeApiServiceDown"
_NAME = "v1beta2.custom.metrics.k8s.io"
_CUSTOM = "custom.metrics.k8s.io"


def _away(name: str) -> Fired:
    return Fired(
        {"name": name},
        f"{name} is not available.",
        f"The API server does not reach whoever serves {name}. No HPA and no InferenceScaler that rests on it sees its load, and"
        " commands that list every API print errors.",
    )


def _aggregator(name: str) -> str:
    return f'aggregator_unavailable_apiservice{{job="apiserver",instance="10.1.1.1:6443",name="{name}"}}'


def _answers(code: str, values: str) -> dict[str, str]:
    return {_autoscaler("kube_requests_total", verb="get", resource=_CUSTOM, code=code): values}


#: What an adapter counts that does not come through the API server: the kubelet's probes, and Prometheus' own scrape.
_OF_OTHERS = {_adapter("requests_total", kind=kind, code="200"): "0+4x20" for kind in ("probe", "metrics")}

_APIS = (
    Case(_API, Shows.FIRES, "the API server says so", "5m", {_aggregator(_NAME): "1x9"}, [_away(_NAME)]),
    Case(_API, Shows.BELOW, "the API server says otherwise, and another API is down", "9m",
         {_aggregator(_NAME): "0x9", _aggregator("v1beta1.metrics.k8s.io"): "1x9"}),
    Case(_API, Shows.FIRES, "one failed scrape does not begin it anew", "5m", {_aggregator(_NAME): "1x2 stale 1x9"},
         [_away(_NAME)]),
    Case(_API, Shows.TOO_SHORT, "for less than five minutes", "4m", {_aggregator(_NAME): "1x9"}),
    Case(_API, Shows.FIRES, "the API server is not scraped, and the controller is answered 503", "6m", _answers("503", "0+60x20"),
         [_away(_CUSTOM)]),
    Case(_API, Shows.BELOW, "some requests fail", "9m", _answers("503", "0+6x20") | _answers("200", "0+54x20")),
    Case(_API, Shows.FIRES, "the adapter answers the kubelet and Prometheus, and nobody else", "6m",
         _answers("503", "0+60x20") | _OF_OTHERS, [_away(_CUSTOM)]),
    Case(_API, Shows.FIRES, "the adapter is read by its other API alone", "6m",
         _answers("503", "0+60x20") | {_adapter("requests_total", kind="external", code="200"): "0+60x20"}, [_away(_CUSTOM)]),
    Case(_API, Shows.BELOW, "an adapter that is reached has no value", "9m",
         _answers("503", "0+60x20") | _OF_OTHERS | {_adapter("requests_total", kind="custom", code="503"): "0+60x20"}),
    Case(_API, Shows.UNSEEN, "nobody asks", "20m", _answers("503", "7x20")),
)  # fmt: skip

_SOURCE, _RULE = "LeadtimeSourceDown", "LeadtimeRuleFailing"


def _rule(rule: str, replica: int = 0, source: str = "prometheus") -> str:
    return _adapter("rule_up", replica, rule=rule, source=source, metric=rule.rpartition("/")[2])


_QUEUE, _UTIL = "vllm/inference_queue_size", "dcgm/gpu_utilization"
_SILENT = Fired(
    {**_INSTALLED, "source": "prometheus"},
    "The adapter in leadtime gets nothing from prometheus.",
    "No rule that reads the source prometheus has an answer from it, in any replica of the adapter in leadtime. All signals from"
    " there become stale.",
)
_FAILS = Fired(
    {**_INSTALLED, "source": "prometheus", "rule": _QUEUE, "metric": "inference_queue_size"},
    "Rule vllm/inference_queue_size of the adapter in leadtime fails.",
    "The rule vllm/inference_queue_size, which makes inference_queue_size, gets no answer from prometheus, while others do.",
)
_SOURCES = (
    Case(_SOURCE, Shows.FIRES, "no rule has an answer", "5m", {_rule(_QUEUE): "0x9", _rule(_UTIL): "0x9"}, [_SILENT]),
    Case(_SOURCE, Shows.BELOW, "one rule has an answer", "9m", {_rule(_QUEUE): "0x9", _rule(_UTIL): "1x9"}),
    Case(_SOURCE, Shows.BELOW, "another replica has", "9m", {_rule(_QUEUE, 0): "0x9", _rule(_QUEUE, 1): "1x9"}),
    Case(_SOURCE, Shows.TOO_SHORT, "for less than five minutes", "4m", {_rule(_QUEUE): "0x9"}),
    Case(_SOURCE, Shows.FIRES, "one failed scrape does not begin it anew", "5m", {_rule(_QUEUE): "0x2 stale 0x9"}, [_SILENT]),
    Case(_SOURCE, Shows.UNSEEN, "the adapter is gone", "9m", {_rule(_QUEUE): "0x2 stale"}),
)
_RULES = (
    Case(_RULE, Shows.FIRES, "one of two has no answer", "10m", {_rule(_QUEUE): "0x20", _rule(_UTIL): "1x20"}, [_FAILS]),
    Case(_RULE, Shows.BELOW, "both have one", "20m", {_rule(_QUEUE): "1x20", _rule(_UTIL): "1x20"}),
    Case(_RULE, Shows.BELOW, "none has: it is the source", "20m", {_rule(_QUEUE): "0x20", _rule(_UTIL): "0x20"}),
    Case(_RULE, Shows.TOO_SHORT, "for less than ten minutes", "9m", {_rule(_QUEUE): "0x20", _rule(_UTIL): "1x20"}),
    Case(
        _RULE,
        Shows.FIRES,
        "one failed scrape does not begin it anew",
        "10m",
        {_rule(_QUEUE): "0x4 stale 0x9", _rule(_UTIL): "1x20"},
        [_FAILS],
    ),
    Case(_RULE, Shows.UNSEEN, "the rule is gone", "15m", {_rule(_QUEUE): "0x4 stale", _rule(_UTIL): "1x20"}),
)

_TARGETS = "LeadtimeScrapeTargetsDown"
_UNREAD = _adapter("scrape_targets_down", source="engines")
_PAGES = Fired(
    {**_INSTALLED, "source": "engines"},
    "The adapter in leadtime cannot read 2 pages of engines.",
    "2 targets of the source engines answer no replica of the adapter in leadtime. Their pods are missing in every metric from"
    " there.",
)
_SCRAPES = (
    Case(_TARGETS, Shows.FIRES, "two do not answer", "10m", {_UNREAD: "2x20"}, [_PAGES]),
    Case(_TARGETS, Shows.BELOW, "all answer", "20m", {_UNREAD: "0x20"}),
    Case(
        _TARGETS,
        Shows.BELOW,
        "they answer another replica",
        "20m",
        {_UNREAD: "2x20", _adapter("scrape_targets_down", 1, source="engines"): "0x20"},
    ),
    Case(_TARGETS, Shows.TOO_SHORT, "for less than ten minutes", "9m", {_UNREAD: "2x20"}),
    Case(_TARGETS, Shows.FIRES, "one failed scrape does not begin it anew", "10m", {_UNREAD: "2x4 stale 2x20"}, [_PAGES]),
    Case(_TARGETS, Shows.UNSEEN, "the source is gone", "13m", {_UNREAD: "2x4 stale"}),
)

_CONFIG = "LeadtimeConfigRejected"
_REFUSED = Fired(
    _INSTALLED,
    "The adapter in leadtime refuses its new configuration.",
    "The configuration file of the adapter in leadtime has changed, and an adapter has refused it. The one before is still in"
    " force; a pod that starts now does not become ready.",
)
_CONFIGURATIONS = (
    Case(
        _CONFIG,
        Shows.FIRES,
        "one of two refuses it",
        "1m",
        {_RELOADED: "0x9", _adapter("config_reload_successful", 1): "1x9"},
        [_REFUSED],
    ),
    Case(_CONFIG, Shows.BELOW, "both have taken it", "9m", {_RELOADED: "1x9", _adapter("config_reload_successful", 1): "1x9"}),
    Case(_CONFIG, Shows.TOO_SHORT, "for less than a minute", "0m", {_RELOADED: "0x9"}),
    Case(_CONFIG, Shows.FIRES, "one failed scrape does not begin it anew", "1m", {_RELOADED: "0 stale 0x9"}, [_REFUSED]),
    Case(_CONFIG, Shows.UNSEEN, "the adapter is gone", "9m", {_RELOADED: "0x3 stale"}),
)

_CERTIFICATE = "LeadtimeCertificateExpiring"
_EXPIRY = _adapter("serving_certificate_expiry_timestamp_seconds")
_DAY_S = 86_400
# promtool's time begins at 0: an hour later, ten days are left.
_SOON = Fired(
    _INSTALLED,
    "The adapter's certificate in leadtime is not renewed.",
    "The serving certificate of the adapter in leadtime ends in 10 days and should have been renewed long ago. Once it has ended,"
    " the API server does not believe the adapter any more.",
)
_CERTIFICATES = (
    Case(_CERTIFICATE, Shows.FIRES, "ten days are left", "60m", {_EXPIRY: f"{10 * _DAY_S + 3600}x90"}, [_SOON]),
    Case(_CERTIFICATE, Shows.BELOW, "fifteen days are left", "90m", {_EXPIRY: f"{15 * _DAY_S}x90"}),
    Case(_CERTIFICATE, Shows.TOO_SHORT, "for less than an hour", "59m", {_EXPIRY: f"{10 * _DAY_S}x90"}),
    Case(
        _CERTIFICATE,
        Shows.FIRES,
        "one failed scrape does not begin it anew",
        "60m",
        {_EXPIRY: f"{10 * _DAY_S + 3600}x9 stale {10 * _DAY_S + 3600}x90"},
        [_SOON],
    ),
    Case(_CERTIFICATE, Shows.UNSEEN, "it came from files, of which nothing is told", "90m", {_EXPIRY: "0x90"}),
)

CASES = (
    *_LEADERS, *_PUNCTUALITY, *_WATCHES, *_ADAPTERS, *_APIS, *_SOURCES, *_RULES, *_SCRAPES, *_CONFIGURATIONS, *_CERTIFICATES,
)  # fmt: skip
