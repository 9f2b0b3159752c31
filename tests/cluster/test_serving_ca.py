"""The adapter's own CA: one Secret, two replicas, and renewals that no reader notices.

Readers go through the API server, and beside it: those look up the APIService's ``caBundle`` for every read and open a connection
of their own with it, as an API server would that has none yet.
"""

import base64
import contextlib
import json
import time
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from adapter import certificates
from adapter.kube import servingca
from tests.cluster import controlplane, direct, onepod, stack, waiting

DAY_S = 86400.0
NAMES = certificates.service_names(stack.SERVICE, stack.NAMESPACE)
SECRET = ("secret", servingca.SECRET, f"--namespace={stack.NAMESPACE}")
#: A round of both replicas, the time that a new CA is given to become known, and another round.
ROUNDS_S = 45.0


@dataclass(frozen=True, kw_only=True)
class Keys:
    """The Secret, and what is made of it."""

    plane: controlplane.ControlPlane
    world: onepod.World

    def secret(self) -> dict[str, bytes]:
        """Return what the Secret holds."""
        return {key: base64.b64decode(value) for key, value in self.plane.get(*SECRET)["data"].items()}

    def plant(self, **contents: bytes) -> None:
        """Put *contents* into the Secret, by their names with ``_`` for the dot."""
        data = {name.replace("_", "."): base64.b64encode(value).decode() for name, value in contents.items()}
        self.plane.kubectl("patch", *SECRET, "--type=merge", f"--patch={json.dumps({'data': data})}")

    def served(self) -> list[bytes]:
        """Return what each replica serves, verified by the ``caBundle``."""
        tls = direct.context(direct.ca_bundle(self.plane))
        return [direct.served_certificate(port, tls) for port in self.world.adapter.ports]

    def settled(self, *others: bytes) -> bytes | None:
        """Return the Secret's certificate once every replica serves it; None while one does not, or it is one of *others*."""
        now = self.secret()["tls.crt"]
        return now if set(self.served()) == {now} and now not in others else None

    @contextlib.contextmanager
    def reading(self) -> Iterator[direct.Load]:
        """Read through the API server and beside it while the block runs."""
        path = self.world.path()
        administrator = direct.api_server(self.plane, self.plane.administrator)
        with contextlib.ExitStack() as open_connections:

            def beside(port: int) -> direct.Reader:
                lookup = open_connections.enter_context(contextlib.closing(administrator()))

                def connect() -> direct.Connection:
                    found = lookup.ask("/apis/apiregistration.k8s.io/v1/apiservices/v1beta2.custom.metrics.k8s.io").document
                    trusted = base64.b64decode(found["spec"]["caBundle"])
                    return direct.Connection(port, direct.context(trusted, self.plane.front_proxy_client))

                return direct.Reader(connect, path, direct.MASTERS, fresh=True)

            readers = [direct.Reader(administrator, path) for _ in range(2)]
            readers += [beside(port) for port in self.world.adapter.ports]
            with direct.reading(*readers) as load:
                yield load


@pytest.fixture(scope="module")
def keys(control_plane: controlplane.ControlPlane, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Keys]:
    control_plane.kubectl("delete", *SECRET, "--ignore-not-found")
    with onepod.start(control_plane, tmp_path_factory.mktemp("serving-ca"), replicas=2) as world:
        yield Keys(plane=control_plane, world=world)


def test_replicas_share_one_ca_that_every_apiservice_trusts(keys: Keys) -> None:
    apiservices = [keys.plane.get("apiservice", f"{version}.custom.metrics.k8s.io")["spec"] for version in ("v1beta1", "v1beta2")]
    secret = keys.secret()

    assert keys.served() == [secret["tls.crt"]] * 2
    assert [base64.b64decode(each["caBundle"]) for each in apiservices] == [secret["ca.crt"]] * 2
    assert [each.get("insecureSkipTLSVerify", False) for each in apiservices] == [False, False]


def test_a_certificate_near_its_end_is_renewed_and_no_read_fails(keys: Keys) -> None:
    before = keys.secret()
    authority = certificates.Pair(before["ca.crt"], before["ca.key"])
    near_its_end = certificates.issue(authority, NAMES, now=time.time() - 80 * DAY_S)

    with keys.reading() as load:
        keys.plant(tls_crt=near_its_end.cert_pem, tls_key=near_its_end.key_pem)
        waiting.until(
            lambda: keys.settled(before["tls.crt"], near_its_end.cert_pem), what="a new certificate is served", deadline_s=ROUNDS_S
        )

    assert load.failures == []
    assert direct.ca_bundle(keys.plane) == before["ca.crt"]  # the CA is as it was


def test_a_ca_near_its_end_is_followed_by_another_and_no_read_fails(keys: Keys) -> None:
    before = keys.secret()
    near_its_end = certificates.create_authority("leadtime-adapter", now=time.time() - 4.5 * 365 * DAY_S)

    with keys.reading() as load:
        keys.plant(ca_crt=near_its_end.cert_pem + before["ca.crt"], ca_key=near_its_end.key_pem)
        renewed = waiting.until(
            lambda: keys.settled(before["tls.crt"]), what="a certificate of the next CA is served", deadline_s=ROUNDS_S
        )

    after = certificates.split(direct.ca_bundle(keys.plane))
    assert load.failures == []
    assert certificates.trusts(after[0], renewed)
    assert after[1:] == certificates.split(near_its_end.cert_pem + before["ca.crt"])  # until they expire


def test_a_deleted_secret_is_made_anew_and_no_read_fails(keys: Keys) -> None:
    before = keys.secret()

    with keys.reading() as load:
        keys.plane.kubectl("delete", *SECRET)
        # kubectl itself fails while there is none.
        renewed = waiting.until(
            lambda: keys.settled(before["tls.crt"]), what="a certificate of a new CA is served", deadline_s=ROUNDS_S
        )

    after = keys.secret()
    assert load.failures == []
    assert after["ca.key"] != before["ca.key"]
    assert certificates.trusts(certificates.split(after["ca.crt"])[0], renewed)
    assert direct.ca_bundle(keys.plane) == after["ca.crt"]
