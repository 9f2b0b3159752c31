"""Credentials in files: rotated ones are taken at the next collection, broken ones are named, and nothing secret is said."""

import base64
import os
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization

from adapter.errors import Fault, SourceError
from adapter.sources.credentials import Auth, Credentials, Tls
from tests.adapter import pki

SECRET = "s3cr3t-t0k3n"


@pytest.fixture(scope="module")
def authority() -> pki.Authority:
    return pki.Authority("ca", now=time.time())


def bearer(path: Path) -> Credentials:
    return Credentials("prom", Auth(bearer_token_file=path), Tls())


def token(credentials: Credentials) -> str:
    return credentials.read(https=False).headers["Authorization"]


def refused(credentials: Credentials, *, https: bool = False) -> SourceError:
    with pytest.raises(SourceError) as caught:
        credentials.read(https=https)
    return caught.value


def test_a_token_is_sent_without_its_trailing_line_feed(tmp_path: Path) -> None:
    (tmp_path / "token").write_text(f"{SECRET}\r\n")

    assert token(bearer(tmp_path / "token")) == f"Bearer {SECRET}"


def test_user_name_and_password_are_basic_authentication_in_utf8(tmp_path: Path) -> None:
    (tmp_path / "password").write_text("pä:ss\n")
    credentials = Credentials("prom", Auth(username="me", password_file=tmp_path / "password"), Tls())

    assert base64.b64decode(token(credentials).removeprefix("Basic ")).decode() == "me:pä:ss"


def test_headers_come_from_the_settings_and_from_files(tmp_path: Path) -> None:
    (tmp_path / "tenant").write_text("team-a\n")
    credentials = Credentials("prom", Auth(), Tls(), headers={"X-A": "1"}, header_files={"X-Scope-OrgID": tmp_path / "tenant"})

    assert credentials.read(https=False).headers == {"X-A": "1", "X-Scope-OrgID": "team-a"}


def test_a_token_swapped_by_a_symbolic_link_is_taken_at_the_next_read(tmp_path: Path) -> None:
    # As a projected volume does it: token -> ..data/token, ..data -> ..2024, and ..data is replaced in one step.
    for version in ("one", "two"):
        (tmp_path / version).mkdir()
        (tmp_path / version / "token").write_text(version)
        os.utime(tmp_path / version / "token", ns=(0, 0))
    (tmp_path / "..data").symlink_to("one")
    (tmp_path / "token").symlink_to("..data/token")
    credentials = bearer(tmp_path / "token")
    before = token(credentials)

    (tmp_path / "..new").symlink_to("two")
    (tmp_path / "..new").replace(tmp_path / "..data")

    assert (before, token(credentials)) == ("Bearer one", "Bearer two")


def test_a_token_written_in_place_is_taken_at_the_next_read(tmp_path: Path) -> None:
    path = tmp_path / "token"
    path.write_text("one")
    os.utime(path, ns=(1, 1))
    credentials = bearer(path)
    before = token(credentials)

    path.write_text("two")

    assert (before, token(credentials)) == ("Bearer one", "Bearer two")


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (lambda path: path.unlink(), "cannot be read: No such file"),
        (lambda path: path.write_text("\n"), "is empty"),
        (lambda path: path.write_text(f"{SECRET}\nmore\n"), "more than one line"),
        (lambda path: path.write_text(f"{SECRET}\x00"), "more than one line"),
        (lambda path: path.write_bytes(SECRET.encode() + b"\xff"), "is not UTF-8"),
        (lambda path: path.write_text(SECRET * 10_000), "more than one line"),
    ],
    ids=["missing", "empty", "two lines", "control character", "no UTF-8", "huge"],
)
def test_a_spoilt_token_is_named_by_its_path_and_never_quoted(tmp_path: Path, spoil: Callable[[Path], object], words: str) -> None:
    path = tmp_path / "token"
    path.write_text(SECRET)
    credentials = bearer(path)
    credentials.read(https=False)

    spoil(path)
    error = refused(credentials)

    assert error.fault is Fault.UNAUTHORIZED
    assert str(path) in error.detail
    assert words in error.detail
    assert SECRET not in repr((error, error.__cause__, error.__context__))


def test_no_repr_shows_a_secret(tmp_path: Path) -> None:
    (tmp_path / "token").write_text(SECRET)
    credentials = bearer(tmp_path / "token")

    access = credentials.read(https=False)

    assert SECRET not in repr(access) + repr(credentials)


def test_a_tls_context_is_kept_until_a_file_changes(tmp_path: Path, authority: pki.Authority) -> None:
    files = client_files(tmp_path, authority)
    credentials = Credentials("prom", Auth(), files)
    first = credentials.read(https=True).context
    same = credentials.read(https=True).context

    client_files(tmp_path, authority)

    assert first is same
    assert credentials.read(https=True).context is not first


def test_plain_http_needs_no_tls_context(tmp_path: Path) -> None:
    assert Credentials("prom", Auth(), Tls(ca_file=tmp_path / "missing")).read(https=False).context is None


@pytest.mark.parametrize(
    ("name", "spoil", "words"),
    [
        ("ca", lambda path: path.unlink(), "cannot be read: No such file"),
        ("ca", lambda path: path.write_text(""), "holds no PEM certificate"),
        ("ca", lambda path: path.write_text("no certificate"), "holds no PEM certificate"),
        ("cert", lambda path: path.unlink(), "cannot be read: No such file"),
        ("cert", lambda path: path.write_text("no certificate"), "no pair of certificate and key"),
        ("key", lambda path: path.write_text(SECRET), "no pair of certificate and key"),
    ],
)
def test_spoilt_certificates_are_named_by_their_path(
    tmp_path: Path, authority: pki.Authority, name: str, spoil: Callable[[Path], object], words: str
) -> None:
    credentials = Credentials("prom", Auth(), client_files(tmp_path, authority))

    spoil(tmp_path / name)
    error = refused(credentials, https=True)

    assert error.fault is Fault.TLS
    assert str(tmp_path / name) in error.detail
    assert words in error.detail
    assert SECRET not in repr((error, error.__cause__))


def test_a_key_of_another_certificate_is_refused(tmp_path: Path, authority: pki.Authority) -> None:
    files = client_files(tmp_path, authority)
    (tmp_path / "key").write_bytes(authority.issue("other").key_pem)

    error = refused(Credentials("prom", Auth(), files), https=True)

    assert error.fault is Fault.TLS
    assert "KEY_VALUES_MISMATCH" in error.detail


def test_an_encrypted_key_is_refused_and_nobody_is_asked_for_its_password(tmp_path: Path, authority: pki.Authority) -> None:
    files = client_files(tmp_path, authority)
    key = serialization.load_pem_private_key((tmp_path / "key").read_bytes(), None)
    encrypted = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.BestAvailableEncryption(b"password")
    )
    (tmp_path / "key").write_bytes(encrypted)

    assert refused(Credentials("prom", Auth(), files), https=True).fault is Fault.TLS


@pytest.mark.parametrize(
    "make",
    [
        lambda: Auth(username="me"),
        lambda: Auth(password_file=Path("p")),
        lambda: Auth(bearer_token_file=Path("t"), username="me", password_file=Path("p")),
        lambda: Auth(username="a:b", password_file=Path("p")),
        lambda: Tls(cert_file=Path("c")),
        lambda: Tls(key_file=Path("k")),
    ],
)
def test_halves_and_contradictions_are_refused(make: Callable[[], object]) -> None:
    with pytest.raises(ValueError, match=r"together|exclude|colon"):
        make()


def client_files(folder: Path, authority: pki.Authority) -> Tls:
    pair = authority.issue("adapter")
    for name, content in (("ca", authority.pem.encode()), ("cert", pair.cert_pem), ("key", pair.key_pem)):
        # A new file in the old one's place, as whoever rotates certificates does it.
        (folder / "new").write_bytes(content)
        (folder / "new").replace(folder / name)
    return Tls(ca_file=folder / "ca", cert_file=folder / "cert", key_file=folder / "key")
