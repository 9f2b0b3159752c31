"""The front proxy's CA and certificate change under continuous reads, in the order in which an operator changes them."""

import contextlib
import ssl
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cluster import controlplane, direct, onepod, pki, stack, waiting

CONFIG_MAP = ("configmap", "extension-apiserver-authentication", "--namespace=kube-system")


@contextlib.contextmanager
def taken_over(plane: controlplane.ControlPlane, name: str) -> Iterator[None]:
    """Wait, when the block has changed a file, until the API server says that it uses what *name* stands for as it is now."""
    before = loads(plane, name)
    yield
    # A notification that comes while the API server reads the file is lost; it looks again after a minute.
    waiting.until(lambda: loads(plane, name) > before, what=f"the API server has loaded {name}", deadline_s=90)
    stack.settle(1)  # each connection pool, and each reader of the bundle, hears of it in its own time


def loads(plane: controlplane.ControlPlane, name: str) -> int:
    """Return how often the API server has loaded *name* anew."""
    lines = plane.apiserver.log.read_text().splitlines()
    return sum('"Loaded a new' in line and f'name="{name}::' in line for line in lines)


def forget_dropped_cas(plane: controlplane.ControlPlane) -> None:
    """Have the API server publish what it trusts now: by itself it only ever adds to the ConfigMap, for others like it."""
    plane.kubectl("delete", *CONFIG_MAP)
    waiting.until(
        lambda: plane.get(*CONFIG_MAP)["data"]["requestheader-client-ca-file"].encode() == plane.front_proxy_ca_file.read_bytes(),
        what="the ConfigMap is published again",
    )


@pytest.fixture
def plane(control_plane: controlplane.ControlPlane) -> Iterator[controlplane.ControlPlane]:
    """Yield the control plane, and give it back with the front proxy's CA and certificate that it had."""
    kept = pki.Identity(
        cert_pem=control_plane.front_proxy_client.cert.read_bytes(), key_pem=control_plane.front_proxy_client.key.read_bytes()
    )
    yield control_plane
    old = control_plane.front_proxy_authority.pem
    with taken_over(control_plane, "request-header"):
        pki.replace(control_plane.front_proxy_ca_file, old)
    with taken_over(control_plane, "aggregator-proxy-cert"):
        kept.write(control_plane.folder, control_plane.front_proxy_client.cert.stem)
    forget_dropped_cas(control_plane)


@pytest.fixture
def world(plane: controlplane.ControlPlane, tmp_path: Path) -> Iterator[onepod.World]:
    with onepod.start(plane, tmp_path) as started:
        yield started


def believed(world: onepod.World, tls: ssl.SSLContext) -> bool:
    """Return whether the adapter takes a new connection with the certificate in *tls* for the front proxy's."""
    try:
        return direct.ask(world.adapter.ports[0], tls, world.path(), direct.MASTERS).status == 200
    except (ssl.SSLError, ConnectionError):
        return False


def test_a_rotation_fails_no_read_and_ends_the_old_certificates_life(
    plane: controlplane.ControlPlane, world: onepod.World, tmp_path: Path
) -> None:
    old_ca, new_ca = plane.front_proxy_authority, pki.Authority.create("leadtime-test-front-proxy-ca-2")
    name = plane.front_proxy_client.cert.stem
    bundle = direct.ca_bundle(plane)
    old = direct.context(bundle, plane.front_proxy_client)
    new_client = new_ca.issue(controlplane.FRONT_PROXY_NAME, client=True)
    new = direct.context(bundle, new_client.write(tmp_path, "new"))
    # Two files, and `old` has read the old ones: the aggregation layer's own are changed below.
    with contextlib.closing(direct.Connection(world.adapter.ports[0], old)) as opened_before:
        assert opened_before.ask(world.path(), direct.MASTERS).status == 200
        assert not believed(world, new)

        readers = [direct.Reader(direct.api_server(plane, plane.administrator), world.path()) for _ in range(3)]
        with direct.reading(*readers) as load:
            with taken_over(plane, "request-header"):
                pki.replace(plane.front_proxy_ca_file, old_ca.pem + new_ca.pem)
            waiting.until(lambda: believed(world, new), what="the adapter believes a certificate of the new CA")
            assert believed(world, old)

            with taken_over(plane, "aggregator-proxy-cert"):
                new_client.write(plane.folder, name)
            with taken_over(plane, "request-header"):
                pki.replace(plane.front_proxy_ca_file, new_ca.pem)
            forget_dropped_cas(plane)
            waiting.until(lambda: not believed(world, old), what="the adapter believes the old CA no longer")
            rotated_at = load.answers
            waiting.until(lambda: load.answers > rotated_at + 100, what="a hundred more reads")

        still_open = opened_before.ask(world.path(), direct.MASTERS)

    assert load.failures == []
    assert believed(world, new)
    assert still_open.status == 401
    assert "signed by a CA that the cluster does not name" in still_open.document["message"]
