"""Who a request speaks for: headers, certificates and tokens, in the order of Go's API servers."""

import asyncio
from dataclasses import dataclass, field

import pytest
from hypothesis import given
from hypothesis import strategies as st
from multidict import CIMultiDict

from adapter.access import Identity
from adapter.api.authn import ANONYMOUS, Authenticator, Refused
from adapter.certificates import Pair
from adapter.errors import ApiServerError
from adapter.kube.authconfig import AuthConfig
from tests.adapter import pki

PROXY_CA = pki.Authority("front-proxy-ca")
CLUSTER_CA = pki.Authority("cluster-ca")
PROXY = PROXY_CA.issue("front-proxy-client")
ALICE = CLUSTER_CA.issue("alice", ["dev", "ops"])
ALICE_IDENTITY = Identity("alice", groups=("dev", "ops", "system:authenticated"))


def config(**changes: object) -> AuthConfig:
    """Return what kubeadm's clusters publish."""
    published: dict[str, object] = {
        "client_ca_pem": CLUSTER_CA.pem,
        "requestheader_ca_pem": PROXY_CA.pem,
        "allowed_names": ("front-proxy-client",),
        "username_headers": ("X-Remote-User",),
        "uid_headers": ("X-Remote-Uid",),
        "group_headers": ("X-Remote-Group",),
        "extra_header_prefixes": ("X-Remote-Extra-",),
    }
    return AuthConfig(**{**published, **changes})


class Connection:
    """One TLS connection, as far as the authenticator looks at it; it counts how often its certificate is read."""

    def __init__(self, presented: Pair | None = None) -> None:
        self._certificate = pki.der(presented) if presented else None
        self.read = 0

    def getpeercert(self, binary_form: bool = False) -> bytes | None:
        assert binary_form
        self.read += 1
        return self._certificate


@dataclass
class Desk:
    """An authenticator with its cluster: owners of tokens, and an API server that can be away."""

    published: AuthConfig | None = field(default_factory=config)
    owners: dict[str, Identity] = field(default_factory=dict)
    away: bool = False
    asked: int = 0
    now: float = pki.NOW

    def __post_init__(self) -> None:
        self.authenticator = Authenticator(self._review, wall_clock=lambda: self.now, clock=asyncio.get_running_loop().time)
        if self.published is not None:
            self.authenticator.configure(self.published)

    async def _review(self, token: str) -> Identity | None:
        self.asked += 1
        await asyncio.sleep(0.01)
        if self.away:
            raise ApiServerError(0, "connection refused")
        return self.owners.get(token)

    async def who(
        self, presented: Pair | Connection | None = None, *headers: tuple[str, str], anonymous: bool = False
    ) -> Identity | Refused:
        connection = presented if isinstance(presented, Connection) else Connection(presented)
        return await self.authenticator.authenticate(CIMultiDict(headers), connection, anonymous=anonymous)


def refusal(found: Identity | Refused) -> str:
    assert isinstance(found, Refused)
    return f"{found.status}: {found.message}"


async def test_the_front_proxy_speaks_for_whom_it_names() -> None:
    found = await Desk().who(
        PROXY,
        ("X-Remote-User", "system:serviceaccount:kube-system:hpa"),
        ("X-Remote-Uid", "u-1"),
        ("X-Remote-Group", "system:serviceaccounts"),
        ("x-remote-group", "system:serviceaccounts:kube-system"),
        ("X-Remote-Extra-Scopes", "a"),
        ("X-Remote-Extra-Scopes", "b"),
        ("X-Remote-Extra-Example.com%2FPod", "web-1"),
    )

    assert found == Identity(
        "system:serviceaccount:kube-system:hpa",
        "u-1",
        ("system:serviceaccounts", "system:serviceaccounts:kube-system", "system:authenticated"),
        (("example.com/pod", ("web-1",)), ("scopes", ("a", "b"))),
    )


values = st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=1, max_size=8)


@given(st.lists(st.tuples(st.sampled_from(["X-Remote-User", "X-Remote-Group", "X-Remote-Uid", "X-Remote-Extra-a"]), values)))
async def test_headers_never_matter_without_the_front_proxy_s_certificate(headers: list[tuple[str, str]]) -> None:
    desk = Desk()

    assert await desk.who(ALICE, *headers) == ALICE_IDENTITY
    assert isinstance(await desk.who(None, *headers), Refused)
    assert await desk.who(None, *headers, anonymous=True) == ANONYMOUS


@given(values, st.lists(values, max_size=5), st.dictionaries(values.map(str.lower), st.lists(values, min_size=1, max_size=3)))
async def test_what_the_front_proxy_says_arrives_whole(user: str, groups: list[str], extra: dict[str, list[str]]) -> None:
    headers = [("X-Remote-User", user), *(("X-Remote-Group", group) for group in groups)]
    for key, each in extra.items():
        escaped = "".join(f"%{byte:02X}" for byte in key.encode())
        headers += [(f"X-Remote-Extra-{escaped}", value) for value in each]

    found = await Desk().who(PROXY, *headers)

    assert isinstance(found, Identity)
    assert (found.user, found.extra) == (user, tuple(sorted((key, tuple(each)) for key, each in extra.items())))
    assert found.groups == (*groups, "system:authenticated")


@given(
    st.lists(st.tuples(st.sampled_from("ab"), st.lists(st.sampled_from("gh"), max_size=2), st.text("xX", max_size=3)), max_size=20)
)
async def test_what_is_remembered_of_one_request_never_shows_in_another(requests: list[tuple[str, list[str], str]]) -> None:
    desk, connection = Desk(), Connection(PROXY)

    for user, groups, other in requests:
        named = [("X-Remote-User", user), *(("x-remote-GROUP", group) for group in groups)]
        found = await desk.who(connection, (f"Accept{other}", "*/*"), *named)

        assert found == Identity(user, groups=(*groups, "system:authenticated"))


@pytest.mark.parametrize("header", ["X-Remote-User", "X-Remote-Uid"])
async def test_a_header_sent_twice_is_refused(header: str) -> None:
    found = await Desk().who(PROXY, ("X-Remote-User", "alice"), ("X-Remote-Uid", "1"), (header, "root"))

    assert refusal(found) == f"401: header {header} was sent 2 times"


async def test_the_cluster_s_own_header_names_are_used() -> None:
    desk = Desk(config(username_headers=("X-First", "X-User"), group_headers=("X-Team",), extra_header_prefixes=("X-More-",)))

    found = await desk.who(PROXY, ("X-User", "alice"), ("X-Team", "dev"), ("X-More-Floor", "3"), ("X-Remote-Group", "root"))

    assert found == Identity("alice", groups=("dev", "system:authenticated"), extra=(("floor", ("3",)),))


async def test_the_front_proxy_without_a_user_is_nobody() -> None:
    assert refusal(await Desk().who(PROXY)) == "401: the front proxy's certificate came without the name of a user"


async def test_a_user_s_certificate_is_its_common_name_in_its_organisations() -> None:
    assert await Desk().who(ALICE) == ALICE_IDENTITY


@pytest.mark.parametrize(
    ("presented", "says"),
    [
        (PROXY_CA.issue("somebody"), "'somebody' is not one that requestheader-allowed-names admits"),
        (pki.Authority("other-ca").issue("front-proxy-client"), "is signed by a CA that the cluster does not name"),
        (pki.Authority("front-proxy-ca").issue("front-proxy-client"), "is signed by a CA that the cluster does not name"),
        (PROXY_CA.issue("front-proxy-client", usage=pki.SERVER), "is not for client authentication"),
        (PROXY_CA.issue("front-proxy-client", days=(-5, -2)), "expired at 2027-01-13"),
        (PROXY_CA.issue("front-proxy-client", days=(1, 2)), "is not valid before 2027-01-16"),
        (CLUSTER_CA.issue("alice", days=(-5, -2)), "'alice' expired at 2027-01-13"),
        (CLUSTER_CA.issue("", ["dev"]), "has no common name, so it is no user's"),
    ],
    ids=["wrong-name", "wrong-ca", "forged-ca-name", "server-only", "expired", "not-yet", "user-expired", "nameless"],
)
async def test_a_certificate_that_counts_for_nothing_is_refused_with_the_reason(presented: Pair, says: str) -> None:
    # pki.NOW is 2027-01-15T08:00:00Z.
    for anonymous in (False, True):
        found = await Desk().who(presented, ("X-Remote-User", "root"), anonymous=anonymous)

        assert says in refusal(found)
        assert refusal(found).startswith("401")


async def test_a_certificate_without_extended_key_usage_serves_any_purpose() -> None:
    assert isinstance(await Desk().who(PROXY_CA.issue("front-proxy-client", usage=None), ("X-Remote-User", "alice")), Identity)


async def test_any_name_of_the_front_proxy_s_ca_will_do_when_no_names_are_published() -> None:
    desk = Desk(config(allowed_names=()))

    assert isinstance(await desk.who(PROXY_CA.issue("whoever"), ("X-Remote-User", "alice")), Identity)
    assert desk.authenticator.problems == ()


async def test_one_ca_for_users_and_proxy_without_allowed_names_lets_no_user_pass_for_the_proxy() -> None:
    desk = Desk(config(requestheader_ca_pem=CLUSTER_CA.pem + PROXY_CA.pem, allowed_names=()))

    assert await desk.who(ALICE, ("X-Remote-User", "root")) == ALICE_IDENTITY
    assert "any user could pass for the front proxy" in desk.authenticator.problems[0]


async def test_one_ca_for_users_and_proxy_is_told_apart_by_the_allowed_names() -> None:
    desk = Desk(config(requestheader_ca_pem=CLUSTER_CA.pem))

    assert await desk.who(ALICE, ("X-Remote-User", "root")) == ALICE_IDENTITY
    found = await desk.who(CLUSTER_CA.issue("front-proxy-client"), ("X-Remote-User", "bob"))
    assert found == Identity("bob", groups=("system:authenticated",))


async def test_before_the_configmap_is_read_no_certificate_is_believed() -> None:
    desk = Desk(published=None)

    for presented in (PROXY, ALICE):
        assert "has not been read yet" in refusal(await desk.who(presented, ("X-Remote-User", "root")))
    assert "has not been read yet" in desk.authenticator.problems[0]


async def test_missing_request_header_keys_refuse_header_identities_and_say_so() -> None:
    told = "ConfigMap kube-system/extension-apiserver-authentication lacks requestheader-client-ca-file"
    desk = Desk(config(requestheader_ca_pem=None, username_headers=(), problem=told))

    found = await desk.who(PROXY, ("X-Remote-User", "root"))

    assert isinstance(found, Refused)
    assert desk.authenticator.problems == (told,)
    assert await desk.who(ALICE) == ALICE_IDENTITY


async def test_a_connection_s_certificate_is_judged_once() -> None:
    desk, connection = Desk(), Connection(PROXY)

    for user in ("alice", "bob", "alice"):
        found = await desk.who(connection, ("X-Remote-User", user))
        assert isinstance(found, Identity)
        assert found.user == user

    assert connection.read == 1


async def test_an_open_connection_ends_with_its_certificate() -> None:
    desk, connection = Desk(), Connection(PROXY)
    await desk.who(connection, ("X-Remote-User", "alice"))

    desk.now += 31 * 86400

    assert "expired" in refusal(await desk.who(connection, ("X-Remote-User", "alice")))


async def test_an_open_connection_ends_with_its_ca() -> None:
    short = pki.Authority("front-proxy-ca", days=2)
    desk, connection = Desk(config(requestheader_ca_pem=short.pem)), Connection(short.issue("front-proxy-client"))
    assert isinstance(await desk.who(connection, ("X-Remote-User", "alice")), Identity)

    desk.now += 3 * 86400

    assert "a CA that the cluster does not name" in refusal(await desk.who(connection, ("X-Remote-User", "alice")))


async def test_a_certificate_that_was_early_counts_when_its_time_comes() -> None:
    desk, connection = Desk(), Connection(PROXY_CA.issue("front-proxy-client", days=(1, 9)))
    assert "is not valid before" in refusal(await desk.who(connection, ("X-Remote-User", "alice")))

    desk.now += 2 * 86400

    assert isinstance(await desk.who(connection, ("X-Remote-User", "alice")), Identity)


async def test_a_rotated_ca_counts_on_open_connections_in_both_directions() -> None:
    new_ca = pki.Authority("front-proxy-ca-2")
    old, new = Connection(PROXY), Connection(new_ca.issue("front-proxy-client"))
    desk = Desk()
    assert isinstance(await desk.who(new, ("X-Remote-User", "alice")), Refused)

    desk.authenticator.configure(config(requestheader_ca_pem=PROXY_CA.pem + new_ca.pem))
    both = [await desk.who(each, ("X-Remote-User", "alice")) for each in (old, new)]
    desk.authenticator.configure(config(requestheader_ca_pem=new_ca.pem))
    after = [await desk.who(each, ("X-Remote-User", "alice")) for each in (old, new)]

    assert [type(found) for found in both] == [Identity, Identity]
    assert [type(found) for found in after] == [Refused, Identity]


TOKEN_OWNER = Identity("prometheus", "u-2", ("monitoring",), (("pod", ("prometheus-0",)),))


@pytest.mark.looptime
async def test_a_bearer_token_is_its_owner_and_asked_for_once() -> None:
    desk = Desk(owners={"secret": TOKEN_OWNER})

    found = await asyncio.gather(*(desk.who(None, ("Authorization", "bearer secret")) for _ in range(10)))

    owner = Identity("prometheus", "u-2", ("monitoring", "system:authenticated"), (("pod", ("prometheus-0",)),))
    assert set(found) == {owner}
    assert desk.asked == desk.authenticator.reviews == 1


@pytest.mark.looptime
async def test_a_token_that_is_nobody_s_is_refused_even_where_the_anonymous_may_pass() -> None:
    found = await Desk().who(None, ("Authorization", "Bearer wrong"), anonymous=True)

    assert refusal(found) == "401: the API server does not accept this bearer token"


@pytest.mark.looptime
async def test_a_good_token_makes_up_for_a_certificate_that_counts_for_nothing() -> None:
    desk = Desk(owners={"secret": TOKEN_OWNER})

    assert isinstance(await desk.who(PROXY_CA.issue("somebody"), ("Authorization", "Bearer secret")), Identity)


@pytest.mark.looptime
async def test_without_an_api_server_a_known_token_goes_on_for_five_minutes_and_a_new_one_is_a_503() -> None:
    desk = Desk(owners={"secret": TOKEN_OWNER})
    await desk.who(None, ("Authorization", "Bearer secret"))
    desk.away = True

    await asyncio.sleep(290)
    known, new = await desk.who(None, ("Authorization", "Bearer secret")), await desk.who(None, ("Authorization", "Bearer new"))
    await asyncio.sleep(20)
    late = await desk.who(None, ("Authorization", "Bearer secret"))

    assert isinstance(known, Identity)
    assert refusal(new).startswith("503: the bearer token could not be checked")
    assert refusal(late).startswith("503")


@pytest.mark.looptime
async def test_no_token_is_kept_in_memory() -> None:
    desk = Desk(owners={"very-secret": TOKEN_OWNER})
    await desk.who(None, ("Authorization", "Bearer very-secret"))

    assert "very-secret" not in repr(vars(desk.authenticator._tokens))


@pytest.mark.parametrize("header", ["", "Bearer", "Bearer ", "Basic YWxpY2U6cHc=", "secret"])
async def test_an_authorization_that_is_no_bearer_token_is_no_credential(header: str) -> None:
    desk = Desk()

    assert refusal(await desk.who(None, ("Authorization", header))).startswith("401: no credentials")
    assert desk.asked == 0


async def test_plain_http_knows_nobody_by_headers() -> None:
    found = await Desk().authenticator.authenticate(CIMultiDict({"X-Remote-User": "root"}), None)

    assert refusal(found) == "401: identity headers count only over a connection with the front proxy's certificate"
