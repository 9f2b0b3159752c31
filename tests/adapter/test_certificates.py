"""The laws of our own certificate authority; OpenSSL itself is asked whether what is issued holds."""

import ssl

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from hypothesis import given
from hypothesis import strategies as st

from adapter import certificates
from adapter.certificates import Pair
from tests.adapter import pki

NAMES = certificates.service_names("leadtime-adapter", "leadtime")
DAY_S = 86400.0

moments = st.floats(1_700_000_000, 2_500_000_000)


def authority(now: float = pki.NOW) -> Pair:
    return certificates.create_authority("leadtime", now=now)


def test_the_name_that_the_api_server_verifies_comes_first() -> None:
    assert NAMES[0] == "leadtime-adapter.leadtime.svc"


@given(moments)
def test_a_certificate_is_good_at_once_even_for_a_clock_that_is_behind_and_lives_ninety_days(now: float) -> None:
    start, end = certificates.validity(certificates.issue(authority(now), NAMES, now=now).cert_pem)

    assert start <= now - 240
    assert end == pytest.approx(now + 90 * DAY_S, abs=1)


@given(moments, st.text(max_size=20))
def test_renewal_falls_into_the_last_third_of_a_life_and_leaves_a_quarter(now: float, replica: str) -> None:
    cert_pem = authority(now).cert_pem
    start, end = certificates.validity(cert_pem)

    share = (certificates.renew_at(cert_pem, replica) - start) / (end - start)

    assert 2 / 3 <= share <= 2 / 3 + 0.05


def test_replicas_renew_at_different_times_and_each_always_at_its_own() -> None:
    cert_pem = authority().cert_pem

    times = [certificates.renew_at(cert_pem, f"adapter-{number}") for number in range(10)]

    assert len(set(times)) == 10
    assert times[3] == certificates.renew_at(cert_pem, "adapter-3")


def test_the_ca_and_what_it_issues_are_shaped_as_go_and_openssl_want_them() -> None:
    ca = authority()
    root = x509.load_pem_x509_certificate(ca.cert_pem)
    leaf = x509.load_pem_x509_certificate(certificates.issue(ca, NAMES, now=pki.NOW).cert_pem)

    assert root.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    assert root.extensions.get_extension_for_class(x509.KeyUsage).value.key_cert_sign
    assert not leaf.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    assert list(leaf.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value) == [pki.SERVER]
    names = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value.get_values_for_type(x509.DNSName)
    assert tuple(names) == NAMES
    for each in (root, leaf):
        key = each.public_key()
        assert isinstance(key, ec.EllipticCurvePublicKey)
        assert key.curve.name == "secp256r1"


def test_a_common_name_is_cut_where_x_509_ends_it() -> None:
    names = certificates.service_names("a-service-with-quite-a-long-name", "in-a-namespace-with-quite-a-long-name-too")

    assert certificates.covers(certificates.issue(authority(), names, now=pki.NOW).cert_pem, names)


def test_only_its_own_authority_is_trusted_for_a_certificate() -> None:
    old, new = authority(), authority()
    serving = certificates.issue(old, NAMES, now=pki.NOW)

    assert certificates.trusts(old.cert_pem, serving.cert_pem)
    assert not certificates.trusts(new.cert_pem, serving.cert_pem)
    assert certificates.trusts(new.cert_pem + old.cert_pem, serving.cert_pem)


def test_a_certificate_covers_its_own_names_and_no_others() -> None:
    serving = certificates.issue(authority(), NAMES, now=pki.NOW)

    assert certificates.covers(serving.cert_pem, NAMES)
    assert not certificates.covers(serving.cert_pem, [*NAMES, "other.leadtime.svc"])
    assert not certificates.covers(authority().cert_pem, NAMES)


def test_a_bundle_keeps_order_drops_repeats_and_forgets_the_expired() -> None:
    old, new = authority(pki.NOW - 6 * 365 * DAY_S), authority()

    both = certificates.bundle(new.cert_pem, old.cert_pem + new.cert_pem, now=pki.NOW - 2 * 365 * DAY_S)
    today = certificates.bundle(new.cert_pem, old.cert_pem, now=pki.NOW)

    assert both == new.cert_pem + old.cert_pem
    assert today == new.cert_pem
    assert certificates.split(both) == [new.cert_pem, old.cert_pem]
    assert certificates.bundle(b"", now=pki.NOW) == b""


def test_a_key_that_belongs_to_another_certificate_is_noticed() -> None:
    one, other = authority(), authority()

    certificates.check(one)
    with pytest.raises(ValueError, match="does not belong"):
        certificates.check(Pair(one.cert_pem, other.key_pem))


def test_a_key_is_never_printed() -> None:
    assert "PRIVATE" not in repr(authority())


def test_openssl_takes_the_bundle_as_a_ca() -> None:
    ca = authority()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)

    context.load_verify_locations(cadata=certificates.bundle(ca.cert_pem, now=pki.NOW).decode())

    assert context.cert_store_stats()["x509_ca"] == 1
