import pytest

from adapter.kube import authconfig
from adapter.kube.authconfig import AuthConfig, AuthConfigWatch
from adapter.kube.client import Kube
from adapter.kube.watch import Pacing
from tests.adapter import pki
from tests.integration.kube.fake_apiserver import FakeApiServer, Object
from tests.integration.kube.waiting import eventually, running

CONFIG_MAPS = "/api/v1/configmaps"
CA = pki.Authority("client-ca").pem
FRONT_PROXY_CA = pki.Authority("front-proxy-ca").pem
DATA = {
    "client-ca-file": CA,
    "requestheader-client-ca-file": FRONT_PROXY_CA,
    "requestheader-allowed-names": '["front-proxy-client"]',
    "requestheader-username-headers": '["X-Remote-User"]',
    "requestheader-uid-headers": '["X-Remote-Uid"]',
    "requestheader-group-headers": '["X-Remote-Group"]',
    "requestheader-extra-headers-prefix": '["X-Remote-Extra-"]',
}


def config_map(data: dict[str, str] | None, name: str = authconfig.NAME) -> Object:
    return {"metadata": {"name": name, "namespace": authconfig.NAMESPACE}, "data": data}


def test_every_key_is_read() -> None:
    assert authconfig.parse(DATA) == AuthConfig(
        client_ca_pem=CA,
        requestheader_ca_pem=FRONT_PROXY_CA,
        allowed_names=("front-proxy-client",),
        username_headers=("X-Remote-User",),
        uid_headers=("X-Remote-Uid",),
        group_headers=("X-Remote-Group",),
        extra_header_prefixes=("X-Remote-Extra-",),
    )


def test_a_managed_cluster_without_front_proxy_keys_is_told_what_it_lacks() -> None:
    config = authconfig.parse({"client-ca-file": CA})

    assert config.client_ca_pem == CA
    assert config.requestheader_ca_pem is None
    assert config.username_headers == ()
    assert "lacks requestheader-client-ca-file and requestheader-username-headers" in config.problem


@pytest.mark.parametrize("value", ["X-Remote-User", '"X-Remote-User"', '{"a":"b"}', "[1]", '["a"', "null", '["a"] x'])
def test_a_list_is_a_json_array_of_strings_and_nothing_else(value: str) -> None:
    with pytest.raises(ValueError, match="requestheader-username-headers is not a JSON array of strings"):
        authconfig.parse({**DATA, "requestheader-username-headers": value})


def test_everything_that_is_broken_is_told_at_once() -> None:
    with pytest.raises(ValueError, match=r"client-ca-file is not a bundle.*group-headers is not a JSON"):
        authconfig.parse({**DATA, "client-ca-file": "not PEM", "requestheader-group-headers": "["})


@pytest.fixture
def changes() -> list[AuthConfig]:
    return []


@pytest.fixture
def watched(kube: Kube, quick: Pacing, changes: list[AuthConfig]) -> AuthConfigWatch:
    return AuthConfigWatch(kube=kube, on_change=changes.append, pacing=quick)


async def test_a_rotation_is_seen(server: FakeApiServer, watched: AuthConfigWatch, changes: list[AuthConfig]) -> None:
    server.put(CONFIG_MAPS, config_map(DATA))
    server.put(CONFIG_MAPS, config_map({}, name="another"))
    assert "has not been read yet" in watched.current.problem

    async with running(watched.run()):
        await eventually(lambda: server.watchers)
        rotated = {**DATA, "requestheader-client-ca-file": FRONT_PROXY_CA + CA}
        server.put(CONFIG_MAPS, config_map(rotated))
        await eventually(lambda: len(changes) == 2)

    assert [each.requestheader_ca_pem for each in changes] == [FRONT_PROXY_CA, FRONT_PROXY_CA + CA]
    assert watched.current == changes[-1]
    assert server.seen[0].query["fieldSelector"] == "metadata.name=extension-apiserver-authentication"


async def test_a_change_that_changes_nothing_is_not_told(
    server: FakeApiServer, watched: AuthConfigWatch, changes: list[AuthConfig]
) -> None:
    server.put(CONFIG_MAPS, config_map(DATA))

    async with running(watched.run()):
        await eventually(lambda: server.watchers)
        server.put(CONFIG_MAPS, config_map({**DATA, "note": "hello"}))
        await eventually(lambda: watched.health.events == 1)

    assert len(changes) == 1


async def test_a_broken_value_keeps_the_last_good_one_and_says_so(
    server: FakeApiServer, watched: AuthConfigWatch, changes: list[AuthConfig]
) -> None:
    server.put(CONFIG_MAPS, config_map(DATA))

    async with running(watched.run()):
        await eventually(lambda: server.watchers)
        server.put(CONFIG_MAPS, config_map({**DATA, "requestheader-allowed-names": "oops"}))
        await eventually(lambda: len(changes) == 2)
        assert changes[1].allowed_names == ("front-proxy-client",)
        assert "requestheader-allowed-names is not a JSON array of strings; the last good values stay" in changes[1].problem

        server.put(CONFIG_MAPS, config_map(DATA))
        await eventually(lambda: len(changes) == 3)

    assert watched.current == changes[0]


async def test_a_broken_value_at_the_start_leaves_nobody_believed(server: FakeApiServer, watched: AuthConfigWatch) -> None:
    server.put(CONFIG_MAPS, config_map({**DATA, "client-ca-file": "oops"}))

    async with running(watched.run()):
        await eventually(lambda: watched.health.synced)

    assert watched.current.requestheader_ca_pem is None
    assert watched.current.client_ca_pem is None
    assert "client-ca-file is not a bundle" in watched.current.problem


async def test_a_deleted_config_map_keeps_what_it_said(server: FakeApiServer, watched: AuthConfigWatch) -> None:
    server.put(CONFIG_MAPS, config_map(DATA))

    async with running(watched.run()):
        await eventually(lambda: server.watchers)
        server.delete(CONFIG_MAPS, authconfig.NAME, authconfig.NAMESPACE)
        await eventually(lambda: watched.current.problem)

    assert watched.current.requestheader_ca_pem == FRONT_PROXY_CA
    assert "was deleted; the last good values stay" in watched.current.problem


async def test_keys_that_are_taken_away_are_a_revocation(server: FakeApiServer, watched: AuthConfigWatch) -> None:
    server.put(CONFIG_MAPS, config_map(DATA))

    async with running(watched.run()):
        await eventually(lambda: server.watchers)
        server.put(CONFIG_MAPS, config_map({"client-ca-file": CA}))
        await eventually(lambda: watched.current.problem)

    assert watched.current.requestheader_ca_pem is None


@pytest.mark.parametrize("data", [None, {}])
async def test_nothing_there_is_waited_for(server: FakeApiServer, watched: AuthConfigWatch, data: dict[str, str] | None) -> None:
    async with running(watched.run()):
        await eventually(lambda: "does not exist" in watched.current.problem)
        await eventually(lambda: server.watchers)
        server.put(CONFIG_MAPS, config_map(data))
        await eventually(lambda: "lacks" in watched.current.problem)
        server.put(CONFIG_MAPS, config_map(DATA))
        await eventually(lambda: not watched.current.problem)

    assert watched.current == authconfig.parse(DATA)
