"""Who is believed at the adapter's own port, with the front-proxy configuration that a real kube-apiserver published.

Everything that is refused is refused with a Status, except a certificate from a CA that the cluster does not name, or one that is
not for clients: such a handshake fails.
"""

import contextlib
import datetime as dt
import itertools
import ssl
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.cluster import access, controlplane, direct, onepod, pki, stack, waiting

FRONT_PROXY = controlplane.FRONT_PROXY_NAME
DAY = dt.timedelta(days=1)


@dataclass(frozen=True, kw_only=True)
class Door(onepod.World):
    """The adapter's own port, and what is needed to knock at it."""

    plane: controlplane.ControlPlane
    folder: Path
    _numbers: Iterator[int] = field(default_factory=itertools.count)

    def tls(self, identity: pki.Identity | None = None) -> ssl.SSLContext:
        """Return a client's context that shows *identity* and verifies the adapter as the aggregation layer does."""
        files = identity.write(self.folder, f"client-{next(self._numbers)}") if identity else None
        return direct.context(direct.ca_bundle(self.cluster), files)

    def ask(
        self,
        target: str | None = None,
        headers: direct.Headers = (),
        *,
        identity: pki.Identity | None = None,
        method: str = "GET",
    ) -> direct.Answer:
        """Return the adapter's answer, to a read of the pod's utilisation unless *target* says otherwise."""
        return direct.ask(self.adapter.ports[0], self.tls(identity), target or self.path(), headers, method=method)

    def front_proxy(
        self, name: str = FRONT_PROXY, *, not_before: dt.datetime | None = None, not_after: dt.datetime | None = None
    ) -> pki.Identity:
        """Return a client certificate from the front proxy's CA."""
        return self.plane.front_proxy_authority.issue(name, client=True, not_before=not_before, not_after=not_after)


def refusal(answer: direct.Answer, status: int) -> str:
    """Return the message of a refusal, which is a Status of its own HTTP *status*."""
    document = answer.document
    assert (answer.status, document["kind"], document["status"], document["code"]) == (status, "Status", "Failure", status)
    return str(document["message"])


def now() -> dt.datetime:
    return dt.datetime.fromtimestamp(time.time(), dt.UTC)


@pytest.fixture(scope="module")
def door(control_plane: controlplane.ControlPlane, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Door]:
    folder = tmp_path_factory.mktemp("front-proxy")
    with onepod.start(control_plane, folder) as world:
        yield Door(
            cluster=control_plane,
            namespace=world.namespace,
            adapter=world.adapter,
            page_url=world.page_url,
            plane=control_plane,
            folder=folder,
        )


def test_the_front_proxy_speaks_for_whom_it_names(door: Door) -> None:
    answer = door.ask(headers=direct.MASTERS, identity=door.front_proxy())

    assert answer.status == 200
    assert [item["describedObject"]["name"] for item in answer.document["items"]] == [onepod.POD]


def test_the_front_proxy_has_no_rights_of_its_own(door: Door) -> None:
    message = refusal(door.ask(identity=door.front_proxy()), 401)

    assert message == "the front proxy's certificate came without the name of a user"


def test_whom_the_front_proxy_names_needs_the_right(door: Door) -> None:
    message = refusal(door.ask(headers=[("X-Remote-User", "nobody-special")], identity=door.front_proxy()), 403)

    assert message.startswith('pods.custom.metrics.k8s.io "*" is forbidden: User "nobody-special" cannot get')


@pytest.mark.parametrize("headers", [(), direct.MASTERS], ids=["bare", "with identity headers"])
def test_nobody_is_believed_without_a_certificate(door: Door, headers: direct.Headers) -> None:
    message = refusal(door.ask(headers=headers), 401)

    assert ("identity headers count only" in message) == bool(headers)


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
@pytest.mark.parametrize("wrong", ["foreign CA", "for servers only"])
def test_a_certificate_from_a_foreign_ca_or_for_servers_gets_no_answer_at_all(
    door: Door, wrong: str, version: ssl.TLSVersion
) -> None:
    # The right names all the way: only the signature differs.
    foreign = pki.Authority.create("leadtime-test-front-proxy-ca")
    identity = (
        foreign.issue(FRONT_PROXY, client=True)
        if wrong == "foreign CA"
        else door.plane.front_proxy_authority.issue(FRONT_PROXY, server=True)
    )
    tls = door.tls(identity)
    tls.minimum_version = tls.maximum_version = version

    with pytest.raises((ssl.SSLError, ConnectionError)):
        direct.ask(door.adapter.ports[0], tls, door.path(), direct.MASTERS)


def test_another_name_from_the_front_proxys_ca_is_not_the_front_proxy(door: Door) -> None:
    message = refusal(door.ask(headers=direct.MASTERS, identity=door.front_proxy("another-client")), 401)

    assert message == "client certificate 'another-client' is not one that requestheader-allowed-names admits as the front proxy"


def test_an_expired_certificate_is_told_so(door: Door) -> None:
    message = refusal(door.ask(headers=direct.MASTERS, identity=door.front_proxy(not_after=now() - DAY)), 401)

    assert message.startswith(f"client certificate '{FRONT_PROXY}' expired at ")


def test_a_certificate_of_tomorrow_is_told_so(door: Door) -> None:
    identity = door.front_proxy(not_before=now() + DAY / 24, not_after=now() + DAY / 2)

    message = refusal(door.ask(headers=direct.MASTERS, identity=identity), 401)

    assert message.startswith(f"client certificate '{FRONT_PROXY}' is not valid before ")


@pytest.mark.parametrize("name", ["mallory", FRONT_PROXY])
def test_a_user_of_the_cluster_stays_that_user_whatever_its_headers_say(door: Door, name: str) -> None:
    user = door.plane.authority.issue(name, organisations=["team-a"], client=True)

    message = refusal(door.ask(headers=direct.MASTERS, identity=user), 403)

    assert f'User "{name}" cannot get resource "pods/gpu_utilization"' in message


def test_an_administrators_own_certificate_is_good_for_a_read(door: Door) -> None:
    administrator = door.plane.authority.issue("admin", organisations=["system:masters"], client=True)

    assert door.ask(identity=administrator).status == 200


def test_two_names_are_none(door: Door) -> None:
    headers = [("X-Remote-User", "nobody-special"), *direct.MASTERS]

    message = refusal(door.ask(headers=headers, identity=door.front_proxy()), 401)

    assert message == "header X-Remote-User was sent 2 times"


def test_underscores_make_no_identity_header(door: Door) -> None:
    headers = [("X_Remote_User", "admin"), ("X_Remote_Group", "system:masters")]

    refusal(door.ask(headers=headers, identity=door.front_proxy()), 401)


def grant(door: Door, metric: str, subject: dict[str, str], *, name: str) -> None:
    """Let *subject* get *metric* of the pods of the door's namespace, and nothing else."""
    group = "rbac.authorization.k8s.io"
    rule = {"apiGroups": ["custom.metrics.k8s.io"], "resources": [f"pods/{metric}"], "verbs": ["get"]}
    door.cluster.apply(
        {"apiVersion": f"{group}/v1", "kind": "Role", "metadata": {"name": name}, "rules": [rule]},
        {
            "apiVersion": f"{group}/v1",
            "kind": "RoleBinding",
            "metadata": {"name": name},
            "roleRef": {"apiGroup": group, "kind": "Role", "name": name},
            "subjects": [subject],
        },
        namespace=door.namespace,
    )


def bearer(token: str) -> list[tuple[str, str]]:
    return [("Authorization", f"Bearer {token}")]


def test_a_service_accounts_token_reads_what_its_role_names(door: Door) -> None:
    door.cluster.kubectl("create", "serviceaccount", "reader", f"--namespace={door.namespace}")
    grant(door, "gpu_utilization", {"kind": "ServiceAccount", "name": "reader", "namespace": door.namespace}, name="reader")
    token = door.cluster.service_account_token(door.namespace, "reader")

    granted = waiting.until(lambda: door.ask(headers=bearer(token)).status == 200, what="the role is in force", deadline_s=20)
    message = refusal(door.ask(door.path("inference_queue_size"), bearer(token)), 403)

    assert granted
    assert f'User "system:serviceaccount:{door.namespace}:reader" cannot get resource "pods/inference_queue_size"' in message


def test_a_service_account_without_a_role_is_forbidden(door: Door) -> None:
    token = door.cluster.service_account_token(door.namespace, "default")

    message = refusal(door.ask(headers=bearer(token)), 403)

    assert f'User "system:serviceaccount:{door.namespace}:default" cannot get' in message


def test_a_token_that_is_none_is_refused_and_not_repeated(door: Door) -> None:
    answer = door.ask(headers=bearer("not-a-token"))

    assert refusal(answer, 401) == "the API server does not accept this bearer token"
    assert b"not-a-token" not in answer.body


def test_a_token_does_not_make_identity_headers_count(door: Door) -> None:
    token = door.cluster.service_account_token(door.namespace, "default")

    message = refusal(door.ask(headers=[*direct.MASTERS, *bearer(token)]), 403)

    assert f'User "system:serviceaccount:{door.namespace}:default"' in message


def test_a_users_role_counts_through_the_aggregation_layer(door: Door) -> None:
    grant(door, "gpu_utilization", {"kind": "User", "name": "alice", "apiGroup": "rbac.authorization.k8s.io"}, name="alice")
    alice = door.plane.user_kubeconfig("alice")

    answer = door.cluster.kubectl("get", "--raw", door.path(), kubeconfig=alice)
    with pytest.raises(access.KubectlError) as refused:
        door.cluster.kubectl("get", "--raw", door.path("inference_queue_size"), kubeconfig=alice)

    assert '"kind":"MetricValueList"' in answer
    assert 'User "alice" cannot get resource "pods/inference_queue_size"' in str(refused.value)


READ = f"{stack.CUSTOM}/namespaces/default/pods/*/gpu_utilization"

#: More than a request line may have, by less than what is sent at a time: what is sent further on may find the door shut.
OVERLONG = 263_000

#: A target that no client of good faith sends, and the status that it earns.
HOSTILE = {
    "/": 404,
    "//": 404,
    "/apis/custom.metrics.k8s.io/v1beta2/": 404,
    f"/{READ}": 404,
    f"{stack.CUSTOM}/namespaces/default/pods/../../secrets": 404,
    f"{stack.CUSTOM}/namespaces/default/pods/%2e%2e/gpu_utilization": 404,
    f"{stack.CUSTOM}/namespaces/default/pods/..%2f..%2fkube-system/gpu_utilization": 404,
    f"{stack.CUSTOM}/namespaces/default/pods/a%252fb/gpu_utilization": 404,
    f"{stack.CUSTOM}/namespaces/default/pods/*/gpu%2Futilization": 404,
    f"{stack.CUSTOM}/namespaces/default/pods/*/gpu%00utilization": 404,
    f"{stack.CUSTOM}/namespaces/default/pods/*/gpu%0d%0aSet-Cookie:%20a": 404,
    f"{stack.CUSTOM}/namespaces/default/pods/*/%ff": 404,
    f"{stack.CUSTOM}/namespaces/default/pods/*/%zz": 400,
    f"{stack.CUSTOM}/namespaces/default/pods/*/{'a' * 300}": 404,
    f"{stack.CUSTOM}/namespaces/default/secrets/status/gpu_utilization/x": 404,
    f"{stack.CUSTOM}/namespaces/default/watch/x/gpu_utilization": 404,
    "/explain/../metrics": 404,
    "/metrics/../readyz": 404,
    "/METRICS": 404,
    "http://leadtime-adapter.leadtime.svc/metrics": 404,
    f"{READ}?labelSelector=((((": 400,
    f"{READ}?labelSelector=a%3Db%2C%2C": 400,
    f"{READ}?labelSelector={'a,' * 4096}b": 400,
    f"{READ}?labelSelector={'a' * 70_000}": 414,
    f"{READ}?{'&'.join(f'k{number}=v' for number in range(500))}": 400,
    f"{READ}?labelSelector={'a' * OVERLONG}": 414,
}


@pytest.mark.parametrize(("target", "status"), HOSTILE.items(), ids=[target[:90] for target in HOSTILE])
def test_a_hostile_target_earns_a_status(door: Door, target: str, status: int) -> None:
    answer = door.ask(target, direct.MASTERS, identity=door.front_proxy())

    assert len(refusal(answer, status)) <= 200
    assert answer.headers["Content-Type"] == "application/json"


@pytest.mark.parametrize("length", [70_000, OVERLONG])
def test_a_huge_selector_earns_a_status_through_the_aggregation_layer_too(door: Door, length: int) -> None:
    connect = direct.api_server(door.cluster, door.plane.administrator)

    with contextlib.closing(connect()) as connection:
        answer = connection.ask(f"{door.path()}?labelSelector={'a' * length}")

    refusal(answer, 414)


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE"])
def test_metrics_are_read_only(door: Door, method: str) -> None:
    refusal(door.ask(headers=direct.MASTERS, identity=door.front_proxy(), method=method), 405)


def test_head_has_the_status_and_no_body(door: Door) -> None:
    answer = door.ask(headers=direct.MASTERS, identity=door.front_proxy(), method="HEAD")

    assert (answer.status, answer.body) == (405, b"")


NO_HTTP = {
    "an unknown method": b"BREW / HTTP/1.1\r\n\r\n",
    "no HTTP at all": b"\x00\x01\x02 hello\r\n\r\n",
    "a header without a colon": b"GET / HTTP/1.1\r\nX-Remote-User\r\n\r\n",
    "two lengths": b"GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
    "a length and chunks": b"GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "a thousand headers": b"GET / HTTP/1.1\r\nHost: a\r\n" + b"X-Remote-Group: g\r\n" * 1000 + b"\r\n",
}


@pytest.mark.parametrize("sent", NO_HTTP.values(), ids=NO_HTTP)
def test_what_is_no_http_earns_a_status_that_does_not_repeat_it(door: Door, sent: bytes) -> None:
    answer = direct.send(door.adapter.ports[0], door.tls(door.front_proxy()), sent)

    assert refusal(answer, 400).startswith("this is no HTTP/1.1 request")


def test_a_header_without_end_earns_a_status(door: Door) -> None:
    # No longer than one write takes: it is answered, and hung up on, before all of a longer one is sent.
    headers = [*direct.MASTERS, ("X-Remote-Extra-Scopes", "s" * 10_000)]

    refusal(door.ask(headers=headers, identity=door.front_proxy()), 431)


def test_a_user_in_hundreds_of_groups_is_known_by_all_of_them(door: Door) -> None:
    groups = [f"team-{number}" for number in range(300)]
    grant(door, "gpu_utilization", {"kind": "Group", "name": groups[-1], "apiGroup": "rbac.authorization.k8s.io"}, name="last-team")
    member = door.plane.user_kubeconfig("member-of-many", groups)

    answer = door.cluster.kubectl("get", "--raw", door.path(), kubeconfig=member)

    assert '"kind":"MetricValueList"' in answer


def test_after_all_that_the_adapter_has_met_no_bug_of_its_own(door: Door) -> None:
    log = door.adapter.replicas[0].log.read_text()

    assert "request failed" not in log
    assert "Traceback" not in log
    assert door.ask(headers=direct.MASTERS, identity=door.front_proxy()).status == 200
