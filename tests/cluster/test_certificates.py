"""A serving certificate that others renew in files, as cert-manager does, under continuous reads."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from adapter import certificates
from tests.cluster import controlplane, direct, onepod, pki, stack, waiting

NAMES = certificates.service_names(stack.SERVICE, stack.NAMESPACE)


@dataclass(frozen=True, kw_only=True)
class Issuer:
    """Whoever keeps the adapter's certificate files, and the readers that believe it."""

    authority: pki.Authority
    folder: Path
    world: onepod.World
    plane: controlplane.ControlPlane

    def issue(self) -> pki.Identity:
        """Return a new certificate and key for the adapter's Service."""
        return self.authority.issue(NAMES[0], sans=NAMES, server=True)

    def put(self, identity: pki.Identity) -> None:
        """Replace the adapter's files."""
        identity.write(self.folder, "tls")

    def served(self) -> bytes:
        """Return the certificate that a new connection is shown."""
        return direct.served_certificate(self.world.adapter.ports[0], direct.context(self.authority.pem))

    def served_in_spite_of(self, broken: pki.Identity) -> bytes:
        """Put *broken* files and return what is served once the adapter has said that it cannot use them."""
        log = self.world.adapter.replicas[0].log
        before = log.read_text().count("serving certificate not loaded")
        self.put(broken)
        waiting.until(
            lambda: log.read_text().count("serving certificate not loaded") > before, what="the adapter says that files are broken"
        )
        return self.served()

    def readers(self) -> list[direct.Reader]:
        """Return readers through the API server, and as many that open a connection to the adapter for every read."""
        tls = direct.context(self.authority.pem, self.plane.front_proxy_client)
        port = self.world.adapter.ports[0]
        path = self.world.path()
        through = [direct.Reader(direct.api_server(self.plane, self.plane.administrator), path) for _ in range(2)]
        beside = [direct.Reader(lambda: direct.Connection(port, tls), path, direct.MASTERS, fresh=True) for _ in range(2)]
        return [*through, *beside]


@pytest.fixture(scope="module")
def issuer(control_plane: controlplane.ControlPlane, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Issuer]:
    folder = tmp_path_factory.mktemp("certificates")
    authority = pki.Authority.create("certificate-manager")
    files = authority.issue(NAMES[0], sans=NAMES, server=True).write(folder, "tls")
    arguments = (f"--tls-cert-file={files.cert}", f"--tls-key-file={files.key}")
    with onepod.start(control_plane, folder / "adapter", ca_bundle=authority.pem, arguments=arguments) as world:
        yield Issuer(authority=authority, folder=folder, world=world, plane=control_plane)


def test_a_renewed_certificate_is_served_and_no_read_fails(issuer: Issuer) -> None:
    renewed = issuer.issue()

    with direct.reading(*issuer.readers()) as load:
        issuer.put(renewed)
        waiting.until(lambda: issuer.served() == renewed.cert_pem, what="the renewed certificate is served")
        renewed_at = load.answers
        waiting.until(lambda: load.answers > renewed_at + 100, what="a hundred more reads")

    assert load.failures == []


def test_files_that_cannot_be_used_leave_the_last_good_certificate_in_place(issuer: Issuer) -> None:
    good, next_good = issuer.issue(), issuer.issue()
    half = pki.Identity(cert_pem=next_good.cert_pem[:300], key_pem=next_good.key_pem)
    with_anothers_key = pki.Identity(cert_pem=next_good.cert_pem, key_pem=issuer.issue().key_pem)
    issuer.put(good)
    waiting.until(lambda: issuer.served() == good.cert_pem, what="the good certificate is served")

    with direct.reading(*issuer.readers()) as load:
        while_broken = [issuer.served_in_spite_of(files) for files in (half, with_anothers_key)]
        issuer.put(next_good)
        waiting.until(lambda: issuer.served() == next_good.cert_pem, what="the next good certificate is served")

    assert while_broken == [good.cert_pem] * 2
    assert load.failures == []


def test_the_issuers_bundle_is_left_alone(issuer: Issuer) -> None:
    assert direct.ca_bundle(issuer.plane) == issuer.authority.pem
