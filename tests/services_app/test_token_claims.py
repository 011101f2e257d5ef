"""One rule, one test: what a token's claims may be, and which refusal each failure gets (docs/token-format.md)."""

import json

import pytest

from services_app.tokens import errors
from services_app.tokens.verify import LEEWAY, TokenVerifier, check_binding, check_start_by
from tests.services_app.making import AUDIENCE, ISSUER, NOW, b64, payload, public, sign, sign_raw, uuid7

REQUIRED = ("iss", "aud", "iat", "nbf", "exp", "start_by", "jti", "sub", "collection", "max_size", "max_uploads")
TIMES = ("iat", "nbf", "exp", "start_by")
GOOD_OPTIONS = {
    "length": 7,
    "sha256": "ab" * 32,
    "media_types": ["application/zip", "image/*"],
    "upload_id": "01890000-0000-7000-8000-000000000001",
    "cnf": {"cookie_sha256": "A" * 43},
}


@pytest.fixture
def verify(token_key):
    """A function: sign these claims and verify them."""
    verifier = TokenVerifier([public(token_key)], ISSUER, AUDIENCE)
    return lambda claims, now=NOW: verifier.verify(sign(token_key, claims), now)


def test_a_good_token_yields_its_claims_field_by_field(verify):
    claims = payload(**GOOD_OPTIONS)
    found = verify(claims)
    assert (str(found.jti), found.sub, found.collection) == (claims["jti"], "u_42", "mri-2026")
    assert (found.iat, found.nbf, found.exp, found.start_by) == (NOW, NOW, NOW + 86400, NOW + 900)
    assert (found.max_size, found.max_uploads, found.length) == (1 << 30, 1, 7)
    assert (found.sha256, found.media_types) == ("ab" * 32, ("application/zip", "image/*"))
    assert (str(found.upload_id), found.cookie_sha256) == (GOOD_OPTIONS["upload_id"], "A" * 43)


def test_a_token_lives_no_longer_than_any_may_whatever_its_exp_says(token_key):
    verifier = TokenVerifier([public(token_key)], ISSUER, AUDIENCE, max_life=3600)
    token = sign(token_key, payload(exp=NOW + 10 * 365 * 86400))
    assert verifier.verify(token, NOW + 3600).exp == NOW + 3600
    with pytest.raises(errors.TokenExpired):
        verifier.verify(token, NOW + 3600 + LEEWAY)


def test_optional_claims_may_all_be_absent(verify):
    found = verify(payload())
    assert (found.length, found.sha256, found.media_types, found.upload_id, found.cookie_sha256) == (
        None, None, (), None, None,
    )  # fmt: skip


@pytest.mark.parametrize("name", REQUIRED)
def test_a_missing_required_claim_is_refused(verify, name):
    with pytest.raises(errors.TokenClaims):
        verify(payload(without=(name,)))


@pytest.mark.parametrize("name", ["role", "scope", "cnf2", "Exp", "exp ", ""])
def test_an_unknown_claim_is_refused(verify, name):
    with pytest.raises(errors.TokenClaims):
        verify(payload() | {name: 1})


@pytest.mark.parametrize("name", [*TIMES, "max_size", "max_uploads", "max_unfinished", "max_staged", "length"])
@pytest.mark.parametrize("value", [True, False, 1.0, float("inf"), float("nan"), "1", None, [], {}, -1, 2**63])
def test_a_number_that_is_no_whole_number_in_range_is_refused(verify, name, value):
    with pytest.raises(errors.TokenClaims):
        verify(payload(**{name: value}))


BAD_QUOTAS = [*({"person": {"bytes": value}} for value in (0, -1, True, 1.5, "1", None, 2**63)), {}, [], "all", 1, None]
BAD_QUOTAS += [{"person": {}}, {"person": 5}, {"person": {"inodes": 1}}, {"x": {"bytes": 1}}, {"person": {"bytes": 1}, "x": {"bytes": 1}}]


@pytest.mark.parametrize("quotas", BAD_QUOTAS)
def test_a_quota_that_is_none_is_refused(verify, quotas):
    with pytest.raises(errors.TokenClaims):
        verify(payload(quotas=quotas))


@pytest.mark.parametrize("value", [False, 1, "true", None, [], {}])
def test_what_a_collection_does_with_folders_is_said_or_not(verify, value):
    assert verify(payload(unpack_folders=True)).unpack_folders is True and verify(payload()).unpack_folders is False
    with pytest.raises(errors.TokenClaims):
        verify(payload(unpack_folders=value))


@pytest.mark.parametrize("name", ["max_size", "max_uploads", "max_unfinished", "max_staged"])
def test_a_limit_of_zero_is_refused(verify, name):
    with pytest.raises(errors.TokenClaims):
        verify(payload(**{name: 0}))


def test_more_than_ten_thousand_uploads_are_refused_and_as_many_are_not(verify):
    assert verify(payload(max_uploads=10_000)).max_uploads == 10_000
    with pytest.raises(errors.TokenClaims):
        verify(payload(max_uploads=10_001))


def test_an_empty_file_may_be_announced(verify):
    assert verify(payload(length=0)).length == 0


@pytest.mark.parametrize("name", ["jti", "upload_id"])
@pytest.mark.parametrize(
    "value",
    [
        "00000000-0000-4000-8000-000000000000",  # version 4
        "01890000-0000-7000-8000-00000000000A",  # upper case
        "018900000000700080000000000000aa",
        "{01890000-0000-7000-8000-000000000001}",
        "urn:uuid:01890000-0000-7000-8000-000000000001",
        "01890000-0000-7000-8000-000000000001\n",
        "01890000-0000-7000-c000-000000000001",  # another variant
        "",
        7,
        None,
        ["01890000-0000-7000-8000-000000000001"],
    ],
)
def test_an_id_that_is_no_uuid7_in_its_one_spelling_is_refused(verify, name, value):
    with pytest.raises(errors.TokenClaims):
        verify(payload(**{name: value}))


@pytest.mark.parametrize("value", ["", "a" * 65, "a b", "a/b", "ada@example", "ü", "a\n", 1, None, ["a"]])
def test_a_subject_that_is_not_an_opaque_id_is_refused(verify, value):
    with pytest.raises(errors.TokenClaims):
        verify(payload(sub=value))


@pytest.mark.parametrize(
    "value", ["", "-a", "A", "a_b", "a" * 64, "../etc", "a/b", "a\n", "a\0", ".", "..", "ä", 1, None]
)
def test_a_collection_that_is_no_slug_is_refused(verify, value):
    with pytest.raises(errors.TokenClaims):
        verify(payload(collection=value))


@pytest.mark.parametrize("value", ["AB" * 32, "ab" * 31, "ab" * 33, "zz" * 32, "ab" * 32 + "\n", "", 1, None])
def test_a_digest_that_is_not_64_lower_case_hex_digits_is_refused(verify, value):
    with pytest.raises(errors.TokenClaims):
        verify(payload(sha256=value))


@pytest.mark.parametrize(
    "value",
    ["image/*", ["*/*"], ["*"], ["image"], ["image/"], ["IMAGE/png"], ["image/p*"], ["a/b;c=d"], [1], [None], None,
     {"image/png": 1}, ["image/png"] * 65, ["image/png\n"], ["../x"]],
)  # fmt: skip
def test_an_allow_list_that_is_no_list_of_media_types_is_refused(verify, value):
    with pytest.raises(errors.TokenClaims):
        verify(payload(media_types=value))


@pytest.mark.parametrize(
    "value",
    ["A" * 43, {}, {"cookie_sha256": "A" * 42}, {"cookie_sha256": "A" * 44}, {"cookie_sha256": "+" * 43},
     {"cookie_sha256": 1}, {"jkt": "A" * 43}, {"cookie_sha256": "A" * 43, "jkt": "A"}, [], None, {"cookie_sha256": None}],
)  # fmt: skip
def test_a_confirmation_of_another_form_is_refused(verify, value):
    with pytest.raises(errors.TokenClaims):
        verify(payload(cnf=value))


@pytest.mark.parametrize("value", ["https://other.example", ISSUER + "/", ISSUER.upper(), "", None, [ISSUER], 1])
def test_another_issuer_is_refused(verify, value):
    with pytest.raises(errors.TokenIssuer):
        verify(payload(iss=value))


@pytest.mark.parametrize("value", ["https://other.example", AUDIENCE + "/", "", None, [AUDIENCE], ["x", AUDIENCE]])
def test_another_audience_is_refused_also_one_in_a_list(verify, value):
    with pytest.raises(errors.TokenAudience):
        verify(payload(aud=value))


@pytest.mark.parametrize("name", ["iat", "nbf"])
def test_a_time_ahead_by_more_than_the_leeway_is_refused(verify, name):
    assert verify(payload(**{name: NOW + LEEWAY}))
    with pytest.raises(errors.TokenNotYetValid):
        verify(payload(**{name: NOW + LEEWAY + 1}))


def test_past_exp_and_leeway_the_token_is_refused(verify):
    assert verify(payload(exp=NOW), NOW + LEEWAY - 1)
    with pytest.raises(errors.TokenExpired):
        verify(payload(exp=NOW), NOW + LEEWAY)


def test_past_start_by_and_leeway_a_first_use_is_refused(verify):
    claims = verify(payload(start_by=NOW))
    check_start_by(claims, NOW + LEEWAY - 1)
    with pytest.raises(errors.TokenStartBy):
        check_start_by(claims, NOW + LEEWAY)


def test_start_by_does_not_end_a_token_that_is_in_use(verify):
    assert verify(payload(start_by=NOW - 3600)).start_by == NOW - 3600


@pytest.mark.parametrize("name", TIMES)
def test_a_time_that_no_calendar_holds_is_refused_and_not_a_crash_later(verify, name):
    with pytest.raises(errors.TokenClaims):
        verify(payload(**{name: 2**62}))


def test_a_bound_token_speaks_only_beside_its_cookie(verify):
    import hashlib

    cookie = "c" * 43
    claims = verify(payload(cnf={"cookie_sha256": b64(hashlib.sha256(cookie.encode()).digest())}))
    check_binding(claims, cookie)
    for other in ("", "c" * 42, "d" * 43, "é" * 43):
        with pytest.raises(errors.TokenBinding):
            check_binding(claims, other)


def test_the_empty_cookie_never_matches_even_when_the_token_names_its_digest(verify):
    import hashlib

    claims = verify(payload(cnf={"cookie_sha256": b64(hashlib.sha256(b"").digest())}))
    with pytest.raises(errors.TokenBinding):
        check_binding(claims, "")


def test_a_token_without_binding_needs_no_cookie(verify):
    check_binding(verify(payload()), "")


@pytest.mark.parametrize("body", [b"[]", b'"x"', b"1", b"null", b"true"])
def test_signed_json_that_is_no_object_is_refused(token_key, body):
    verifier = TokenVerifier([public(token_key)], ISSUER, AUDIENCE)
    header = {"alg": "Ed25519", "typ": "upload+jwt", "kid": token_key["kid"]}
    with pytest.raises(errors.TokenClaims):
        verifier.verify(sign_raw(token_key, header, body), NOW)


def test_a_claim_that_stands_twice_is_refused(token_key):
    verifier = TokenVerifier([public(token_key)], ISSUER, AUDIENCE)
    header = {"alg": "Ed25519", "typ": "upload+jwt", "kid": token_key["kid"]}
    text = json.dumps(payload())
    assert verifier.verify(sign_raw(token_key, header, text.encode()), NOW)
    twice = text[:-1] + ', "max_uploads": 9999}'
    with pytest.raises(errors.TokenRefused):
        verifier.verify(sign_raw(token_key, header, twice.encode()), NOW)


def test_claims_cannot_be_changed_after_verification(verify):
    claims = verify(payload(jti=uuid7()))
    with pytest.raises(AttributeError):
        claims.max_size = 1 << 60
