"""Configurations that are refused: each says what is wrong, and marks with ``#!`` the line where (twice, for two problems there).

`SOURCE` and `RULE` stand for a good source and a good rule, on one line each, wherever a case is about something else.
"""

from typing import NamedTuple

SOURCE = "{name: prom, prometheus: {url: 'http://prometheus:9090'}}"
PAGES = "{name: pages, scrape: {pods: {selector: app=vllm, port: http}}}"
RULE = "{metric: queue, series: queue_length, reduce: sum}"


class Bad(NamedTuple):
    """A text, and each of its problems in the order of their lines: the path, and words of the message."""

    name: str
    text: str
    problems: tuple[tuple[str, str], ...]


def _file(name: str, text: str, *problems: tuple[str, str]) -> Bad:
    return Bad(name, text.replace("$SOURCE", SOURCE).replace("$PAGES", PAGES).replace("$RULE", RULE), problems)


def _source(name: str, text: str, *problems: tuple[str, str]) -> Bad:
    """Return a case about the first source, whose fields *text* holds."""
    body = "\n".join(f"  {line}" for line in text.strip("\n").splitlines())
    return _file(name, f"sources:\n-{body[1:]}\nrules: [$RULE]\n", *problems)


def _rule(name: str, text: str, *problems: tuple[str, str]) -> Bad:
    """Return a case about the first rule, whose fields *text* holds; the source is a Prometheus."""
    body = "\n".join(f"  {line}" for line in text.strip("\n").splitlines())
    return _file(name, f"sources: [$SOURCE]\nrules:\n-{body[1:]}\n", *problems)


def _prometheus(name: str, field: str, *problems: tuple[str, str]) -> Bad:
    return _source(name, f"name: prom\nprometheus:\n  url: http://prometheus:9090\n  {field}", *problems)


def _scrape(name: str, field: str, *problems: tuple[str, str]) -> Bad:
    return _source(name, f"name: pages\nscrape:\n  pods: {{port: 8000}}\n  {field}", *problems)


def _series(name: str, field: str, *problems: tuple[str, str]) -> Bad:
    return _rule(name, f"metric: queue\nseries: queue_length\nreduce: sum\n{field}", *problems)


_URL = ("sources[0].prometheus.url", "is no base URL")
_FORMS = "must be latest, or a mapping with rate or quantile"

CASES = (
    # As a text
    _file("tabs", "sources:\n\t- x #!", ("", "is not YAML: found character")),
    _file("an unclosed list", "sources: [\nrules: 5\n#!", ("", "is not YAML")),
    _file("an unknown alias", "sources: *nobody #!", ("", "undefined alias")),
    _file("a python object", "sources: !!python/object:os.system {} #!", ("", "could not determine a constructor")),
    _file("two documents", "sources: []\n--- #!\nrules: []", ("", "found another document")),
    _file("a key twice", "sources: [$SOURCE]\nrules: [$RULE]\nrules: [$RULE] #!", ("rules", "stands twice: keep one")),
    _rule(
        "a key twice further in",
        "metric: queue\nseries: queue_length\nreduce: sum\nreduce: max #!",
        ("rules[0].reduce", "stands twice: keep one"),
    ),
    # As a whole
    _file("a list", "- sources #!", ("", "must be a mapping with sources and rules")),
    _file("a word", "prometheus #!", ("", "must be a mapping with sources and rules")),
    _file("no sources", "rules: [$RULE] #!", ("sources", "is missing")),
    _file("no rules", "sources: [$SOURCE] #!", ("rules", "is missing")),
    _file("empty lists", "sources: [] #!\nrules: [] #!", ("sources", "at least one"), ("rules", "at least one")),
    _file("nothing where a list should be", "sources: [$SOURCE]\nrules: #!", ("rules", "must be a list")),
    _file(
        "an unknown section",
        "sources: [$SOURCE]\nrules: [$RULE]\nexternalRules: [] #!",
        ("externalRules", "is not a known field: check its spelling"),
    ),
    _file("a rule that is a word", "sources: [$SOURCE]\nrules:\n- dcgm #!", ("rules[0]", "must be a mapping")),
    # Sources
    _source("no name", "prometheus: {url: 'http://prometheus'} #!", ("sources[0].name", "is missing")),
    _source("a name with blanks", "name: my prom #!\nprometheus: {url: 'http://p'}", ("sources[0].name", "is no name of a source")),
    _source("no kind", "name: prom #!", ("sources[0]", "either prometheus or scrape")),
    _source(
        "both kinds", "name: prom #!\nprometheus: {url: 'http://p'}\nscrape: {static: 'h:1'}", ("sources[0]", "give one of the two")
    ),
    _source("no URL", "name: prom\nprometheus: {} #!", ("sources[0].prometheus.url", "is missing")),
    _source("a URL without scheme", "name: prom\nprometheus:\n  url: prometheus:9090 #!", _URL),
    _source("a URL with a password", "name: prom\nprometheus:\n  url: http://me:secret@prometheus #!", _URL),
    _source("a URL with a query", "name: prom\nprometheus:\n  url: http://prometheus/?x=1 #!", _URL),
    _prometheus("a misspelt field", "intervall: 15s #!", ("sources[0].prometheus.intervall", "is not a known field")),
    _prometheus(
        "an interval in words", "interval: often #!", ("sources[0].prometheus.interval", "'often' is no duration: write it as 15s")
    ),
    _prometheus("an interval without unit", "interval: '15' #!", ("sources[0].prometheus.interval", "'15' is no duration")),
    _prometheus("no time at all", "timeout: 0s #!", ("sources[0].prometheus.timeout", "longer than zero")),
    _prometheus("a truth for a time", "timeout: true #!", ("sources[0].prometheus.timeout", "no duration")),
    _prometheus(
        "a header that is a number",
        "headers: {X-Scope-OrgID: 7} #!",
        ("sources[0].prometheus.headers.X-Scope-OrgID", "put it in quotes"),
    ),
    _prometheus(
        "a header with a blank in its name",
        "headers: {'X Scope': a} #!",
        ("sources[0].prometheus.headers.X Scope", "no header name"),
    ),
    _source(
        "two ways to say who we are",
        "name: prom\nprometheus: #!\n  url: http://prometheus:9090\n  headers: {Authorization: x}\n  auth: {bearerTokenFile: /t}",
        ("sources[0].prometheus", "an Authorization header and auth exclude each other"),
    ),
    _prometheus("no series at all", "maxSeries: 0 #!", ("sources[0].prometheus.maxSeries", "greater than 0")),
    _prometheus("half a series", "maxSeries: 1.5 #!", ("sources[0].prometheus.maxSeries", "must be a whole number")),
    _prometheus(
        "half a certificate", "tls: {certFile: /tls.crt} #!", ("sources[0].prometheus.tls", "certFile and keyFile come together")
    ),
    _prometheus("a user without password", "auth: {username: me} #!", ("sources[0].prometheus.auth", "come together")),
    _prometheus(
        "a user and a token",
        "auth: {username: me, passwordFile: /p, bearerTokenFile: /t} #!",
        ("sources[0].prometheus.auth", "exclude each other"),
    ),
    _prometheus(
        "a user with a colon",
        "auth: {username: 'a:b', passwordFile: /p} #!",
        ("sources[0].prometheus.auth.username", "neither a colon"),
    ),
    _prometheus(
        "skipping verification",
        "tls: {insecureSkipVerify: true} #!",
        ("sources[0].prometheus.tls.insecureSkipVerify", "not a known"),
    ),
    _scrape("two kinds of targets", "static: 'host:9400'", ("sources[0].scrape", "one of pods, endpoints or static"))._replace(
        text=f"sources:\n- name: pages\n  scrape: #!\n    pods: {{port: 8000}}\n    static: 'host:9400'\nrules: [{RULE}]\n"
    ),
    _source("no targets", "name: pages\nscrape: {interval: 5s} #!", ("sources[0].scrape", "say what to scrape")),
    _source(
        "a selector that is none",
        "name: pages\nscrape:\n  pods: {selector: 'app in', port: 1} #!",
        ("sources[0].scrape.pods.selector", "the selector ends"),
    ),
    _source("a port of zero", "name: pages\nscrape:\n  pods: {port: 0} #!", ("sources[0].scrape.pods.port", "0 is no port")),
    _source("a port of 70000", "name: pages\nscrape:\n  pods: {port: 70000} #!", ("sources[0].scrape.pods.port", "is no port")),
    _source("no port", "name: pages\nscrape:\n  pods: {selector: a=b} #!", ("sources[0].scrape.pods.port", "is missing")),
    _source(
        "a namespace in capitals",
        "name: pages\nscrape:\n  pods: {namespaces: [LLM], port: 1} #!",
        ("sources[0].scrape.pods.namespaces[0]", "no name of a Kubernetes object"),
    ),
    _source(
        "an address that is none",
        "name: pages\nscrape:\n  static:\n  - host:9400\n  - host:99999 #!",
        ("sources[0].scrape.static[1]", "Port out of range"),
    ),
    _scrape("a relative path", "path: metrics #!", ("sources[0].scrape.path", "begins with '/'")),
    _scrape("another scheme", "scheme: ftp #!", ("sources[0].scrape.scheme", "must be 'http' or 'https'")),
    _file(
        "one name for two sources",
        "sources:\n- $SOURCE\n- $SOURCE #!\nrules:\n- {preset: dcgm, source: prom}",
        ("sources[1].name", "two sources"),
    ),
    # Rules and presets
    _rule(
        "an empty rule",
        "{} #!!!",
        ("rules[0].metric", "is missing"),
        ("rules[0].reduce", "is missing: how several"),
        ("rules[0]", "one of the two"),
    ),
    _rule("no reducer", "metric: queue #!\nseries: queue_length", ("rules[0].reduce", "sum, mean, max, min, or single")),
    _rule("an unknown reducer", "metric: q\nseries: s\nreduce: avg #!", ("rules[0].reduce", "must be 'sum', 'mean'")),
    _rule("series and promql", "metric: q\nseries: s\nreduce: sum\npromql: up #!", ("rules[0].promql", "one of the two")),
    _rule("neither series nor promql", "metric: q #!\nreduce: sum", ("rules[0]", "give series or promql")),
    _rule("an empty expression", "metric: q\nreduce: sum\npromql: '' #!", ("rules[0].promql", "is empty")),
    _rule(
        "an expression as series", "metric: q\nreduce: sum\nseries: 'rate(x[1m])' #!", ("rules[0].series[0]", "is an expression")
    ),
    _rule("a series without name", "metric: q\nreduce: sum\nseries: [a, ''] #!", ("rules[0].series[1]", "no name of a series")),
    _rule("a number of series", "metric: q\nreduce: sum\nseries: 5 #!", ("rules[0].series", "must be a list")),
    _rule("a metric with a slash", "metric: a/b #!\nseries: s\nreduce: sum", ("rules[0].metric", "one segment of a path")),
    _rule("a metric of dots", "metric: .. #!\nseries: s\nreduce: sum", ("rules[0].metric", "one segment of a path")),
    _rule(
        "promql with measure and where",
        "metric: q\nreduce: sum\npromql: up\nmeasure: latest #!\nwhere: {a: b} #!",
        ("rules[0].measure", "belongs to series"),
        ("rules[0].where", "belongs to series"),
    ),
    _series("an unknown measure", "measure: average #!", ("rules[0].measure", "must be 'latest'")),
    _series("a measure of the wrong kind", "measure: 5 #!", ("rules[0].measure", _FORMS)),
    _series("a quantile above one", "measure: {quantile: 90} #!", ("rules[0].measure.quantile", "less than or equal to 1")),
    _series("a rate without time", "measure: {rate: fast} #!", ("rules[0].measure.rate", "no duration")),
    _rule(
        "a quantile of the buckets",
        "metric: q\nreduce: max\nseries: latency_bucket #!\nmeasure: {quantile: 0.9}",
        ("rules[0].series", "latency_bucket are the buckets"),
    ),
    _series("a broken pattern", "where:\n  model: {op: '=~', value: '('} #!", ("rules[0].where.model", "no regular expression")),
    _series(
        "a pattern whose flags come late",
        "where:\n  model: {op: '=~', value: '(?i)qwen'} #!",
        ("rules[0].where.model", "no regular"),
    ),
    _series("another comparison", "where:\n  model: {op: '>', value: '1'} #!", ("rules[0].where.model.op", "must be '='")),
    _series("a number to compare with", "where:\n  gpu: 0 #!", ("rules[0].where.gpu.value", "put it in quotes")),
    _series(
        "nothing to compare with", "where:\n  gpu: {op: '!='} #!", ("rules[0].where.gpu.value", "what the label is compared with")
    ),
    _series("conditions in a list", "where: [model] #!", ("rules[0].where", "must be a mapping")),
    _series("a label without name", "keep: [model, ''] #!", ("rules[0].keep[1]", "no name of a label")),
    _series("no number for a factor", "factor: .nan #!", ("rules[0].factor", "finite")),
    _series("a factor that makes zeros", "factor: 0 #!", ("rules[0].factor", "every value zero")),
    _series("an absence beyond a quantity", "absentAs: 1.0e16 #!", ("rules[0].absentAs", "less than or equal to")),
    _series("an absence that is no number", "absentAs: .inf #!", ("rules[0].absentAs", "finite")),
    _series("coverage without owner", "minCoverageRatio: 0.5 #!", ("rules[0].minCoverageRatio", "without owner")),
    _series(
        "coverage in per cent", "owner: sum\nminCoverageRatio: 80 #!", ("rules[0].minCoverageRatio", "less than or equal to 1")
    ),
    _series("an unknown fold for workloads", "owner: median #!", ("rules[0].owner", "must be 'sum'")),
    _series("a fold of what is no pod", "object: namespace\nowner: sum #!", ("rules[0].owner", "describes none")),
    _series("an unknown object", "object: nodes #!", ("rules[0].object", "must be 'pods'")),
    _series("a number for an object", "object: 5 #!", ("rules[0].object", "must be pods, namespace, external, or a mapping")),
    _series(
        "half an object",
        "object: {resource: services} #!!!",
        ("rules[0].object.kind", "is missing"),
        ("rules[0].object.apiVersion", "is missing"),
        ("rules[0].object.nameLabel", "is missing"),
    ),
    _series(
        "pods without namespace",
        "object: {resource: pods, kind: Pod, apiVersion: v1, nameLabel: p} #!",
        ("rules[0].object", "give namespaceLabel too"),
    ),
    _series(
        "namespaces as an object",
        "object: {resource: namespaces, kind: Namespace, apiVersion: v1, nameLabel: n} #!",
        ("rules[0].object.resource", "write object: namespace"),
    ),
    _series("not external", "object: {external: false} #!", ("rules[0].object.external", "must be True")),
    _rule(
        "an external metric that no path can name",
        "metric: status #!\nseries: s\nreduce: sum\nobject: external",
        ("rules[0].metric", "another name"),
    ),
    _series("a rule's name with blanks", "name: my rule #!", ("rules[0].name", "is no name of a rule")),
    _series("a rule narrowed like a preset", "only: [gpu_utilization] #!", ("rules[0].only", "narrows a preset")),
    _series("an unknown source", "source: other #!", ("rules[0].source", "no source is named other: there are prom")),
    _series("an age shorter than two intervals", "maxAge: 20s #!", ("rules[0].maxAge", "less than two intervals of prom (15s)")),
    _file(
        "an interval that the default age does not allow",
        "sources: [{name: prom, prometheus: {url: 'http://p', interval: 60s}}]\nrules:\n- $RULE #!",
        ("rules[0].maxAge", "less than two intervals"),
    ),
    _file("no source among several", "sources: [$SOURCE, $PAGES]\nrules:\n- $RULE #!", ("rules[0].source", "one of prom, pages")),
    _file(
        "promql from pages",
        "sources: [$PAGES]\nrules:\n- metric: q\n  reduce: sum\n  promql: up #!",
        ("rules[0].promql", "needs a Prometheus"),
    ),
    _file(
        "a window of one scrape",
        "sources: [$PAGES]\nrules:\n- metric: q\n  reduce: sum\n  series: x_total\n  measure: {rate: 8s} #!",
        ("rules[0].measure", "fewer than two scrapes of pages (5s)"),
    ),
    _rule("an unknown preset", "preset: dgcm #!", ("rules[0].preset", "no preset is named dgcm: there are dcgm, vllm")),
    _rule("a preset that is a number", "preset: 5 #!!", ("rules[0].preset", "put it in quotes"), ("rules[0].preset", "no preset")),
    _rule(
        "a preset with a rule's fields",
        "preset: dcgm\nreduce: sum #!\nobject: pods #!",
        ("rules[0].reduce", "does not go with a preset"),
        ("rules[0].object", "does not go with a preset"),
    ),
    _rule(
        "an unknown metric of a preset",
        "preset: dcgm\nonly: [gpu_utilization, gpu_power] #!",
        ("rules[0].only[1]", "has no metric gpu_power"),
    ),
    _file(
        "a preset twice", "sources: [$SOURCE]\nrules:\n- preset: dcgm\n- preset: dcgm #!", ("rules[1].name", "by rules[0] already")
    ),
    _file(
        "a name twice", "sources: [$SOURCE]\nrules:\n- $RULE\n- $RULE #!", ("rules[1].name", "queue is named by rules[0] already")
    ),
    _file(
        "two folds of one metric",
        "sources: [$SOURCE]\nrules:\n"
        "- {name: a, metric: q, series: s, reduce: sum, owner: sum}\n"
        "- {name: b, metric: q, series: t, reduce: sum, owner: max} #!",
        ("rules[1].owner", "would be the max of its pods', and is the sum by rules[0]"),
    ),
    # Everything at once
    _file(
        "mistakes all over the file",
        "sources:\n"
        "- name: prom\n"
        "  prometheus: {url: nowhere} #!\n"
        "- {name: prom 2, scrape: {}} #!!\n"
        "rules:\n"
        "- {preset: dcgm, source: prom}\n"
        "- {preset: vllm, source: elsewhere} #!\n"
        "- {metric: a b, series: s, source: prom} #!!\n",
        ("sources[0].prometheus.url", "is no base URL"),
        ("sources[1].name", "is no name"),
        ("sources[1].scrape", "say what to scrape"),
        ("rules[1].source", "no source is named elsewhere"),
        ("rules[2].metric", "one segment"),
        ("rules[2].reduce", "is missing"),
    ),
)
