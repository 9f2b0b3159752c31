"""A serving certificate in files that somebody else renews."""

from pathlib import Path

import pytest
from structlog.testing import capture_logs

from adapter.certificates import Pair, create_authority, issue
from adapter.serving import CertificateFiles, ServingTls
from tests.adapter import pki

AUTHORITY = create_authority("ca", now=pki.NOW)


def pair() -> Pair:
    return issue(AUTHORITY, ["adapter.leadtime.svc"], now=pki.NOW)


class Mount:
    """A folder with a certificate and its key, as a mounted Secret shows them."""

    def __init__(self, folder: Path) -> None:
        self.cert_file, self.key_file = folder / "tls.crt", folder / "tls.key"
        self.tls = ServingTls()
        self.files = CertificateFiles(self.tls, cert_file=self.cert_file, key_file=self.key_file)

    def write(self, pair: Pair) -> None:
        self.cert_file.write_bytes(pair.cert_pem)
        self.key_file.write_bytes(pair.key_pem)


@pytest.fixture
def mount(tmp_path: Path) -> Mount:
    return Mount(tmp_path)


def test_a_changed_file_is_served(mount: Mount) -> None:
    first, second = pair(), pair()

    mount.write(first)
    mount.files.reload()
    before = mount.tls.certificate_pem
    mount.write(second)
    mount.files.reload()

    assert (before, mount.tls.certificate_pem) == (first.cert_pem, second.cert_pem)
    assert mount.files.problem == ""


def test_a_file_that_did_not_change_is_left_alone(mount: Mount) -> None:
    mount.write(pair())
    mount.files.reload()

    with capture_logs() as logs:
        mount.files.reload()

    assert logs == []


def test_a_bad_file_keeps_the_last_good_one_and_is_told_once_by_its_path(mount: Mount) -> None:
    good = pair()
    mount.write(good)
    mount.files.reload()

    mount.cert_file.write_text("not a certificate")
    with capture_logs() as logs:
        for _ in range(3):
            mount.files.reload()

    assert mount.tls.certificate_pem == good.cert_pem
    (told,) = logs
    assert told["log_level"] == "error"
    assert str(mount.cert_file) in told["problem"]
    assert told["still_served"] is True
    assert mount.files.problem == told["problem"]


def test_a_pair_that_is_half_written_is_taken_when_it_is_whole(mount: Mount) -> None:
    mount.write(pair())
    mount.files.reload()
    renewed = pair()

    mount.cert_file.write_bytes(renewed.cert_pem)
    mount.files.reload()
    half = mount.tls.certificate_pem
    mount.key_file.write_bytes(renewed.key_pem)
    mount.files.reload()

    assert half != renewed.cert_pem
    assert mount.tls.certificate_pem == renewed.cert_pem
    assert mount.files.problem == ""


def test_a_missing_file_is_a_problem_and_not_an_end(mount: Mount) -> None:
    with capture_logs() as logs:
        mount.files.reload()
        mount.files.reload()
    missing = mount.files.problem
    mount.write(pair())
    mount.files.reload()

    assert missing == f"{mount.cert_file}: No such file or directory"
    assert len(logs) == 1
    assert mount.tls.ready
    assert mount.files.problem == ""


def test_no_log_line_holds_a_key(mount: Mount) -> None:
    with capture_logs() as logs:
        mount.write(pair())
        mount.files.reload()
        mount.write(Pair(pair().cert_pem, pair().key_pem))
        mount.files.reload()

    assert len(logs) == 2
    assert "PRIVATE" not in repr(logs)
