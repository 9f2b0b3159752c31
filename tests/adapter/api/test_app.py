"""The HTTP side, asked over a socket: who may ask what, what comes back, and what is remembered between two requests."""

import asyncio
import gzip
import json
import random
from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import pytest
import structlog.testing
from structlog.typing import EventDict

from adapter import serving
from adapter.access import Attributes, Identity, NonResourceAttributes
from adapter.api import paths, views
from adapter.api.app import App, Check, _Kept
from adapter.api.authn import Authenticator
from adapter.api.authz import Authorizer
from adapter.collect import Collector
from adapter.errors import ApiServerError
from adapter.metric import Missing, ObjectRef, Reason, Sample
from adapter.rules import model
from adapter.snapshot import Snapshot
from adapter.telemetry import Telemetry
from adapter.workload import Inventory, Pod
from tests.strategies import NOW, result, rule

C = "/apis/custom.metrics.k8s.io/v1beta2"
QUEUE = f"{C}/namespaces/team-a/pods/*/queue"


@dataclass
class Answer:
    """What came back over the socket."""

    status: int
    headers: dict[str, str]  # by their names in lower case
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


@dataclass
class World:
    """An adapter with an API server beside it that knows some tokens and some rights."""

    app: App
    port: int = 0
    now: float = NOW
    checks: list[Check] = field(default_factory=list)
    away: bool = False
    rights: set[tuple[str, str]] = field(default_factory=lambda: {("hpa", "*")})

    async def ask(self, target: str | bytes, *, method: str = "GET", by: str | None = "hpa", **headers: str) -> Answer:
        """Send the request line as it is, without what a client would tidy up; *by* is the bearer token."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        told = {name.replace("_", "-"): value for name, value in headers.items()}
        if by is not None:
            told["Authorization"] = f"Bearer {by}"
        raw = target if isinstance(target, bytes) else target.encode()
        head = "".join(f"{name}: {value}\r\n" for name, value in told.items())
        writer.write(
            method.encode() + b" " + raw + b" HTTP/1.1\r\nHost: adapter\r\nConnection: close\r\n" + head.encode() + b"\r\n"
        )
        answer = await reader.read()
        writer.close()
        await writer.wait_closed()
        top, _, body = answer.partition(b"\r\n\r\n")
        first, *lines = top.decode().split("\r\n")
        pairs = (line.partition(": ") for line in lines)
        return Answer(int(first.split(" ")[1]), {name.lower(): value for name, _, value in pairs}, body)

    def serve(self, *values: float, of: model.Rule | None = None) -> None:
        """Give pods p0, p1, … these values."""
        found = {ObjectRef("pods", "team-a", f"p{number}"): Sample(value, NOW) for number, value in enumerate(values)}
        self.app.collector.snapshot = self.app.collector.snapshot.updated([result(of or rule(), found)])
        for ref in found:
            self.app.inventory.put(Pod("team-a", ref.name, f"uid-{ref.name}", {"app": "web"}, ready=True))


@pytest.fixture
async def world() -> AsyncIterator[World]:
    async def review_token(token: str) -> Identity | None:
        if away.away:
            raise ApiServerError(0, "connection refused")
        return Identity(token) if token in {"hpa", "guest"} else None

    async def review_access(identity: Identity, attributes: Attributes) -> tuple[bool, str]:
        if away.away:
            raise ApiServerError(0, "connection refused")
        what = attributes.path if isinstance(attributes, NonResourceAttributes) else attributes.subresource
        allowed = bool({(identity.user, "*"), (identity.user, what)} & away.rights)
        return allowed, "" if allowed else "no role grants it"

    inventory = Inventory()
    inventory.synced = True
    telemetry = Telemetry()
    authenticator, authorizer = Authenticator(review_token), Authorizer(review_access)
    app = App(
        collector=Collector(telemetry),
        inventory=inventory,
        authenticator=authenticator,
        authorizer=authorizer,
        telemetry=telemetry,
        groups=paths.Groups(external=paths.EXTERNAL_GROUP),
        version="1.2.3",
        checks=lambda: away.checks,
        clock=lambda: away.now,
    )
    away = World(app)
    async with serving.serve(app.handle, host="127.0.0.1", port=0, tls=None, drain_s=0.0, grace_s=0.1) as listening:
        away.port = listening.port
        yield away
    await authenticator.close()
    await authorizer.close()


@pytest.fixture(autouse=True)
def logged() -> Iterator[list[EventDict]]:
    with structlog.testing.capture_logs() as events:
        yield events


def assert_status(answer: Answer, code: int, reason: str, *words: str) -> None:
    """Assert that *answer* is a Status that client-go reads: it looks at the content type first."""
    assert answer.status == code, answer
    assert answer.headers["content-type"] == "application/json"
    status = answer.json
    assert (status["kind"], status["apiVersion"], status["status"]) == ("Status", "v1", "Failure")
    assert (status["code"], status["reason"]) == (code, reason)
    for word in words:
        assert word in status["message"]
    assert "retry-after" not in answer.headers


# Who may ask


async def test_a_reader_with_a_token_and_the_right_gets_values(world: World) -> None:
    world.serve(3.0, 4.5)

    answer = await world.ask(QUEUE)

    assert answer.status == 200
    assert answer.headers["content-type"] == "application/json"
    assert {item["describedObject"]["name"]: item["value"] for item in answer.json["items"]} == {"p0": "3", "p1": "4500m"}


@pytest.mark.parametrize("target", [QUEUE, "/apis", C, "/metrics", "/openapi/v2", "/explain/rules", f"{QUEUE}?explain=true"])
async def test_nobody_is_served_but_probes(world: World, target: str) -> None:
    assert_status(await world.ask(target, by=None), 401, "Unauthorized", "no credentials")
    assert_status(await world.ask(target, by="forged"), 401, "Unauthorized", "does not accept this bearer token")
    assert_status(await world.ask(target, by="guest"), 403, "Forbidden", "guest", "no role grants it")


async def test_a_forbidden_answer_tells_the_browser_not_to_guess(world: World) -> None:
    answer = await world.ask(QUEUE, by="guest")

    assert answer.headers["x-content-type-options"] == "nosniff"


async def test_identity_headers_without_the_front_proxys_certificate_count_for_nothing(world: World) -> None:
    answer = await world.ask(QUEUE, by=None, X_Remote_User="system:admin", X_Remote_Group="system:masters")

    assert answer.status == 401


async def test_without_an_api_server_to_ask_nobody_is_let_in(world: World) -> None:
    world.away = True

    assert_status(await world.ask(QUEUE), 503, "ServiceUnavailable", "could not be checked")


async def test_without_an_answer_on_rights_the_reason_is_told(world: World) -> None:
    await world.ask("/version")  # the token is known from here on
    world.away = True

    assert_status(await world.ask(QUEUE), 503, "ServiceUnavailable", "authorisation could not be checked", "connection refused")


# What is asked


@pytest.mark.parametrize(
    ("target", "words"),
    [
        ("/", "could not find"),
        ("/nothing", "could not find"),
        (f"{C}/namespaces/team-a/pods/p0", "could not find"),
        (f"{C}/", "empty segment"),
        (QUEUE, "unknown metric: no rule serves queue for pods"),
    ],
)
async def test_what_is_not_there_is_a_404_status(world: World, target: str, words: str) -> None:
    assert_status(await world.ask(target), 404, "NotFound", words)


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE"])
async def test_metrics_are_read_only(world: World, method: str) -> None:
    answer = await world.ask(QUEUE, method=method)

    assert_status(answer, 405, "MethodNotAllowed", method)
    assert answer.headers["allow"] == "GET"


async def test_a_head_request_is_refused_and_has_no_body(world: World) -> None:
    answer = await world.ask(QUEUE, method="HEAD")

    assert (answer.status, answer.headers["allow"], answer.body) == (405, "GET", b"")


async def test_a_watch_is_refused(world: World) -> None:
    answer = await world.ask("/apis/external.metrics.k8s.io/v1beta1/namespaces/team-a/queue?watch=true")

    assert_status(answer, 405, "MethodNotAllowed", "watch")


async def test_a_selector_that_is_none_is_a_bad_request(world: World) -> None:
    assert_status(await world.ask(f"{QUEUE}?labelSelector=a%20in"), 400, "BadRequest", "labelSelector")


@pytest.mark.parametrize(
    ("accept", "status"),
    [
        ("application/vnd.kubernetes.protobuf", 406),
        ("application/json;q=0", 406),
        ("application/vnd.kubernetes.protobuf, */*", 200),
        ("application/json;as=Table;g=meta.k8s.io;v=v1,application/json", 200),
        ("", 200),
    ],
)
async def test_json_is_what_there_is(world: World, accept: str, status: int) -> None:
    world.serve(1.0)

    answer = await world.ask(QUEUE, Accept=accept)

    if status == 406:
        assert_status(answer, 406, "NotAcceptable", "application/json")
    assert answer.status == status
    assert answer.headers["content-type"] == "application/json"


async def test_a_prometheus_reads_our_metrics_whatever_text_it_prefers(world: World) -> None:
    answer = await world.ask("/metrics", Accept="application/openmetrics-text;version=1.0.0,text/plain;version=0.0.4;q=0.5")

    assert answer.status == 200
    assert answer.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
    assert b"leadtime_adapter_requests_total" in answer.body


async def test_a_metric_that_is_missing_tells_cause_rule_source_and_age(world: World) -> None:
    world.serve(1.0)
    fault = Missing(Reason.SOURCE_DOWN, "connection refused", NOW - 90.0, "rule", "source")
    world.app.collector.snapshot = Snapshot().updated([result(rule(), {}, fault=fault)])

    answer = await world.ask(QUEUE)

    assert_status(answer, 503, "ServiceUnavailable")
    assert answer.json["message"] == "source down: connection refused [rule rule] [source source] [for 90s]"


async def test_a_query_that_nobody_reads_is_answered_with_a_warning(world: World, logged: list[EventDict]) -> None:
    world.serve(1.0)

    answers = [await world.ask(f"{QUEUE}?selector=app%3Dweb{number}") for number in range(2)]

    assert all("labelSelector" in answer.headers["warning"] for answer in answers)
    assert len(logged) == 1


async def test_a_defect_of_ours_is_a_status_with_a_reference_and_nothing_else(world: World, logged: list[EventDict]) -> None:
    world.serve(1.0)
    world.app.collector.snapshot = None  # type: ignore[assignment]

    answer = await world.ask(QUEUE)

    assert_status(answer, 500, "InternalError", "the log has it under")
    assert "NoneType" not in answer.json["message"]
    assert logged[0]["reference"] in answer.json["message"]


HOSTILE = [
    f"{C}/namespaces/team-a/pods/../secrets/x",
    f"{C}/namespaces/team-a/pods/%2e%2e/queue",
    f"{C}/namespaces/team-a%2F..%2Fteam-b/pods/*/queue",
    f"{C}/namespaces/team-a/pods/*/queue%00",
    f"{C}/namespaces/team-a/pods/*/%ff%fe",
    f"{C}/namespaces/team-a/pods/*/%zz",
    f"{C}/namespaces/team-a/pods/*/{'q' * 300}",
    f"{QUEUE}?labelSelector={'a' * 6000}",
    f"{QUEUE}?labelSelector=" + "%28" * 2000,
    f"{QUEUE}?" + "&".join(f"k{number}=v" for number in range(500)),
    f"{QUEUE}?labelSelector=%ff",
    "http://elsewhere.example/apis",
    "//apis",
    "*",
    "/explain",
    "/explain/../metrics",
    "/readyz/ping/pong",
    "/apis/custom.metrics.k8s.io/v1beta2/namespaces/team-a/pods/*/\u20ac",
]


@pytest.mark.parametrize("target", HOSTILE, ids=range(len(HOSTILE)))
async def test_a_hostile_target_is_refused_with_a_status(world: World, target: str, logged: list[EventDict]) -> None:
    answer = await world.ask(target)

    assert 400 <= answer.status < 500, answer
    assert answer.json["kind"] == "Status"
    assert not logged


async def test_no_mutilated_target_is_a_defect(world: World, logged: list[EventDict]) -> None:
    world.serve(1.0)
    rng = random.Random(7)
    pieces = [
        QUEUE,
        C,
        "/explain/namespaces/team-a/pods/*/queue",
        "/readyz?verbose",
        "/apis",
        "?labelSelector=a%3Db",
        "%",
        "%2F",
        "/..",
        "&&=",
    ]
    printable = [chr(code) for code in range(0x21, 0x7F)]

    for _ in range(150):
        text = list("/" + "".join(rng.choices(pieces, k=2)))
        for _ in range(rng.randrange(6)):
            text[rng.randrange(1, len(text))] = rng.choice(printable)
        answer = await world.ask("".join(text))
        assert answer.status < 500, "".join(text)

    assert not [event for event in logged if event["log_level"] == "error"]


# Compression and entity tags


async def test_a_large_answer_is_compressed_for_whoever_asks(world: World) -> None:
    world.serve(*(float(number) for number in range(800)))

    plain = await world.ask(QUEUE)
    packed = [await world.ask(QUEUE, Accept_Encoding=accept) for accept in ("gzip", "br;q=1.0, gzip;q=0.8")]
    refused = await world.ask(QUEUE, Accept_Encoding="gzip;q=0")

    assert len(plain.body) > 128 * 1024
    assert "content-encoding" not in plain.headers
    assert plain.headers["vary"] == "Accept-Encoding"
    for answer in packed:
        assert answer.headers["content-encoding"] == "gzip"
        assert answer.headers["content-type"] == "application/json"
        assert gzip.decompress(answer.body) == plain.body
        assert len(answer.body) < len(plain.body) / 5
    assert refused.body == plain.body


async def test_a_small_answer_is_not_compressed(world: World) -> None:
    world.serve(1.0)

    assert "content-encoding" not in (await world.ask(QUEUE, Accept_Encoding="gzip")).headers


@pytest.mark.parametrize(
    "target", ["/apis", "/apis/custom.metrics.k8s.io", C, "/openapi/v2", "/openapi/v3", f"/openapi/v3{C}", "/version"]
)
async def test_a_document_that_the_reader_has_is_not_sent_again(world: World, target: str) -> None:
    first = await world.ask(target)
    again = await world.ask(target, If_None_Match=first.headers["etag"])
    other = await world.ask(target, If_None_Match='"another"')

    assert first.status == 200
    assert first.headers["content-type"].startswith("application/json")
    assert (again.status, again.body, again.headers["etag"]) == (304, b"", first.headers["etag"])
    assert (other.status, other.body) == (200, first.body)


async def test_discovery_has_two_forms_by_what_is_accepted(world: World) -> None:
    aggregated = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList"

    assert (await world.ask("/apis", Accept=aggregated)).json["kind"] == "APIGroupDiscoveryList"
    assert (await world.ask("/apis", Accept="application/json")).json["kind"] == "APIGroupList"


# What is remembered


async def test_a_warm_answer_is_the_same_bytes(world: World) -> None:
    world.serve(1.0, 2.0)

    answers = [await world.ask(QUEUE) for _ in range(3)]

    assert len({answer.body for answer in answers}) == 1


async def test_a_new_snapshot_is_seen_at_once(world: World) -> None:
    world.serve(1.0)
    before = await world.ask(QUEUE)

    world.serve(2.0)

    assert (before.json["items"][0]["value"], (await world.ask(QUEUE)).json["items"][0]["value"]) == ("1", "2")


async def test_a_pod_that_ends_is_gone_from_the_next_answer(world: World) -> None:
    world.serve(1.0, 2.0)
    await world.ask(QUEUE)

    world.app.inventory.remove("team-a", "p0")

    assert [item["describedObject"]["name"] for item in (await world.ask(QUEUE)).json["items"]] == ["p1"]


async def test_a_remembered_answer_is_not_served_past_its_age(world: World) -> None:
    world.serve(1.0, of=rule(max_age_s=60.0))
    world.now = NOW + 60.0
    last = await world.ask(QUEUE)

    world.now = NOW + 60.001

    assert last.status == 200
    assert_status(await world.ask(QUEUE), 503, "ServiceUnavailable", "stale")


async def test_the_age_in_a_refusal_goes_on(world: World) -> None:
    world.serve(1.0)
    fault = Missing(Reason.SOURCE_DOWN, "refused", NOW)
    world.app.collector.snapshot = Snapshot().updated([result(rule(), {}, fault=fault)])
    first = await world.ask(QUEUE)

    world.now = NOW + 5.0

    assert first.json["message"].endswith("[for 0s]")
    assert (await world.ask(QUEUE)).json["message"].endswith("[for 5s]")


async def test_what_is_remembered_has_a_bound(world: World) -> None:
    world.serve(*(float(number) for number in range(50)))
    long = f"{QUEUE}?labelSelector=app+in+%28web%2C{'x' * 60}" + ("%2C" + "x" * 60) * 40 + "%29"

    for number in range(5):
        await world.ask(f"/unheard/of/{'x' * 3000}{number}", by=None)
    assert not world.app._parsed
    answer = await world.ask(long)

    assert answer.status == 200
    assert long not in world.app._parsed
    assert world.app._kept.get(long) is None


async def test_answers_are_forgotten_before_they_fill_memory(world: World) -> None:
    kept = world.app._kept
    megabyte = _Kept(0, 0, views.Answer(200, b"x" * 2**20, NOW))

    for number in range(33):
        kept.put(f"/{number}", megabyte)
        kept.put(f"/{number}", megabyte)

    assert kept._size_bytes == 2**20
    assert kept.get("/31") is None
    assert kept.get("/32") is megabyte


# Explanations


async def test_whoever_may_read_a_value_may_ask_why_it_is_so(world: World) -> None:
    world.serve(3.0)
    world.rights = {("guest", "queue")}

    beside = await world.ask(f"{QUEUE}?explain=true", by="guest")
    under = await world.ask("/explain/namespaces/team-a/pods/*/queue", by="guest")
    elsewhere = await world.ask(f"{QUEUE.removesuffix('queue')}other?explain=1", by="guest")

    assert beside.status == 200
    assert beside.json["answer"]["items"][0]["value"] == "3"
    assert beside.json["hpa"]["reads"] == "3"
    assert (under.status, elsewhere.status) == (403, 403)


async def test_an_explanation_of_what_is_missing_is_an_answer(world: World) -> None:
    answer = await world.ask(f"{QUEUE}?explain=1")

    assert answer.status == 200
    assert answer.json["answer"]["status"] == 404
    assert answer.json["answer"]["missing"]["reason"] == "unknown metric"


async def test_rules_and_sources_are_explained(world: World) -> None:
    world.serve(3.0)

    rules, sources = await world.ask("/explain/rules"), await world.ask("/explain/sources")

    assert [each["rule"] for each in rules.json["rules"]] == ["rule"]
    assert [(each["source"], each["state"]) for each in sources.json["sources"]] == [("source", "ok")]


# Probes


@pytest.mark.parametrize("endpoint", ["healthz", "livez", "readyz"])
async def test_a_probe_needs_no_name_and_is_plain_text(world: World, endpoint: str) -> None:
    answer = await world.ask(f"/{endpoint}", by=None)

    assert (answer.status, answer.body) == (200, b"ok")
    assert answer.headers["content-type"].startswith("text/plain")


async def test_readiness_says_what_is_not_ready_and_liveness_does_not_care(world: World) -> None:
    world.checks = [Check("certificate", ok=True), Check("pods", ok=False, why="the first list is not complete")]

    ready, alive = await world.ask("/readyz", by=None), await world.ask("/livez", by=None)

    assert ready.status == 500
    assert ready.body.decode().splitlines() == [
        "[+]ping ok",
        "[+]certificate ok",
        "[-]pods failed: the first list is not complete",
        "readyz check failed",
    ]
    assert alive.status == 200


async def test_one_check_can_be_asked_for_and_all_be_shown(world: World) -> None:
    world.checks = [Check("pods", ok=True)]

    assert (await world.ask("/readyz/pods", by=None)).body == b"ok"
    assert (await world.ask("/readyz?verbose", by=None)).body.decode().splitlines()[-1] == "readyz check passed"
    assert_status(await world.ask("/readyz/nothing", by=None), 404, "NotFound", "there is no check nothing")


async def test_the_adapter_is_ready_and_discovered_with_every_source_down(world: World) -> None:
    world.checks = [Check("pods", ok=True)]
    fault = Missing(Reason.SOURCE_DOWN, "refused", NOW)
    world.app.collector.snapshot = Snapshot().updated([result(rule(), {}, fault=fault, at=None)])

    assert (await world.ask("/readyz", by=None)).body == b"ok"
    for target in ("/apis", C, "/openapi/v2"):
        assert (await world.ask(target)).status == 200


# Counting


async def test_requests_are_counted_by_kind_and_code(world: World) -> None:
    world.serve(1.0)
    counted: Sequence[tuple[str, str | None]] = ((QUEUE, "hpa"), (QUEUE, None), ("/readyz", None), (C, "hpa"), ("/nothing", "hpa"))
    for target, by in counted:
        await world.ask(target, by=by)

    body = (await world.ask("/metrics")).body.decode()

    for kind, code in (("custom", 200), ("unauthenticated", 401), ("probe", 200), ("discovery", 200), ("refused", 404)):
        assert f'leadtime_adapter_requests_total{{code="{code}",kind="{kind}"}} 1.0' in body
    assert 'metrics_apiserver_metric_freshness_seconds_count{group="custom.metrics.k8s.io"} 1.0' in body


async def test_external_reads_are_counted_as_their_own(world: World) -> None:
    ref = ObjectRef(model.EXTERNAL_RESOURCE, "", "")
    of = replace(rule(), objects=model.ExternalObject(None))
    world.app.collector.snapshot = Snapshot().updated([result(of, {ref: Sample(5.0, NOW - 3.0)})])

    answer = await world.ask("/apis/external.metrics.k8s.io/v1beta1/namespaces/team-a/queue")
    body = (await world.ask("/metrics")).body.decode()

    assert answer.json["items"][0]["value"] == "5"
    assert 'metrics_apiserver_metric_freshness_seconds_sum{group="external.metrics.k8s.io"} 3.0' in body
