"""Attacks on the envelope of a token: RFC 8725 and the history of JOSE libraries."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services_app.tokens import errors
from services_app.tokens.verify import MAX_LENGTH, TokenVerifier
from tests.services_app import making
from tests.services_app.making import AUDIENCE, ISSUER, NOW, b64, payload, public, sign, sign_hmac, sign_raw

KEY = making.new_key()
HEADER = {"alg": "Ed25519", "typ": "upload+jwt", "kid": KEY["kid"]}
GOOD = sign(KEY, payload())


def verify(token: str):
    return TokenVerifier([public(KEY)], ISSUER, AUDIENCE).verify(token, NOW)


def test_the_control_token_of_this_file_is_good():
    assert verify(GOOD)


@pytest.mark.parametrize("alg", ["none", "None", "NONE", "", None])
def test_no_algorithm_is_refused_signed_or_not(alg):
    claims = payload()
    unsigned = f"{b64(json.dumps(HEADER | {'alg': alg}).encode())}.{b64(json.dumps(claims).encode())}."
    with pytest.raises(errors.TokenRefused):
        verify(unsigned)
    with pytest.raises(errors.TokenType):
        verify(unsigned + "AAAA")
    with pytest.raises(errors.TokenType):
        verify(sign(KEY, claims, alg=alg))


@pytest.mark.parametrize(
    "secret",
    [json.dumps(public(KEY)).encode(), KEY["x"].encode(), KEY["kid"].encode(), b""],
    ids=["JWK", "x", "kid", "nothing"],
)
def test_an_hmac_keyed_with_what_is_public_is_refused(secret):
    with pytest.raises(errors.TokenType):
        verify(sign_hmac(secret, HEADER | {"alg": "HS256"}, payload()))
    with pytest.raises(errors.TokenSignature):
        verify(sign_hmac(secret, HEADER, payload()))


@pytest.mark.parametrize("alg", ["EdDSA", "ed25519", "Ed448", "ES256", "RS256", 1, ["Ed25519"]])
def test_any_other_algorithm_is_refused_even_with_a_good_signature(alg):
    with pytest.raises(errors.TokenType):
        verify(sign(KEY, payload(), alg=alg))


@pytest.mark.parametrize("typ", ["JWT", "upload-receipt+jwt", "application/upload+jwt", "UPLOAD+JWT", "", None, 1])
def test_any_other_type_is_refused_even_with_a_good_signature(typ):
    with pytest.raises(errors.TokenType):
        verify(sign(KEY, payload(), typ=typ))


@pytest.mark.parametrize(
    "extra",
    [
        {"jwk": public(KEY)},
        {"jku": "https://evil.example/jwks.json"},
        {"x5u": "https://evil.example/cert.pem"},
        {"x5c": ["MIIB"]},
        {"x5t": "AAAA"},
        {"crit": ["exp"], "exp": NOW},
        {"crit": []},
        {"b64": False, "crit": ["b64"]},
        {"zip": "DEF"},
        {"cty": "JWT"},
        {"enc": "A256GCM"},
        {"": ""},
    ],
    ids=lambda extra: next(iter(extra)) or "empty",
)
def test_a_header_with_any_other_parameter_is_refused_before_any_key_is_used(extra):
    with pytest.raises(errors.TokenMalformed):
        verify(sign(KEY, payload(), **extra))


def test_an_embedded_key_is_not_believed():
    attacker = making.new_key()
    with pytest.raises(errors.TokenMalformed):
        verify(sign(attacker, payload(), jwk=public(attacker)))


def test_an_attackers_key_under_our_kid_is_refused():
    with pytest.raises(errors.TokenSignature):
        verify(sign(making.new_key(), payload(), kid=KEY["kid"]))


@pytest.mark.parametrize(
    "kid", ["unknown", "", None, 1, ["x"], {"a": 1}, "../../etc/passwd", "' OR 1=1", pytest.param(KEY["kid"] + "\0", id="ours and a NUL")]
)
def test_an_unknown_or_missing_kid_is_refused(kid):
    with pytest.raises(errors.TokenKeyUnknown):
        verify(sign(KEY, payload(), kid=kid))


def test_a_header_name_that_stands_twice_is_refused():
    raw = json.dumps(HEADER)[:-1] + ', "alg": "Ed25519"}'
    with pytest.raises(errors.TokenMalformed):
        verify(sign_raw(KEY, raw.encode(), json.dumps(payload()).encode()))


@pytest.mark.parametrize("raw", [b"[]", b"1", b"null", b'"alg"', b"{", b"\xff\xfe", b"", b"{}x"])
def test_a_header_that_is_no_json_object_is_refused(raw):
    with pytest.raises(errors.TokenMalformed):
        verify(sign_raw(KEY, raw, json.dumps(payload()).encode()))


def test_a_header_in_another_encoding_of_unicode_is_refused():
    with pytest.raises(errors.TokenRefused):
        verify(sign_raw(KEY, json.dumps(HEADER).encode("utf-16"), json.dumps(payload()).encode()))


@pytest.mark.parametrize("place", ["header", "claims"])
def test_deep_nesting_is_refused_and_not_a_crash(place):
    deep = b"[" * 2900
    raw = (deep, b"{}") if place == "header" else (json.dumps(HEADER).encode(), deep[:2700])
    with pytest.raises(errors.TokenRefused):
        verify(sign_raw(KEY, *raw))


def test_no_token_at_all_has_a_refusal_of_its_own():
    with pytest.raises(errors.TokenMissing):
        verify("")


@pytest.mark.parametrize(
    "spoil",
    [
        lambda t: t + "=",
        lambda t: t + "\n",
        lambda t: " " + t,
        lambda t: t + ".",
        lambda t: "." + t,
        lambda t: t.replace(".", "..", 1),
        lambda t: t.rsplit(".", 1)[0],
        lambda t: t.rsplit(".", 1)[0] + ".",
        lambda t: t.replace(".", "|"),
        lambda t: t + ".extra",
        lambda t: t.replace("-", "+").replace("_", "/") + "+/",
        lambda t: t[:-1] + "é",
        lambda t: json.dumps({"payload": t.split(".")[1], "protected": t.split(".")[0], "signature": t.split(".")[2]}),
    ],
)
def test_anything_but_three_base64url_segments_is_refused(spoil):
    with pytest.raises(errors.TokenMalformed):
        verify(spoil(GOOD))


def test_a_token_longer_than_the_limit_is_refused_however_well_signed():
    longest = sign(KEY, payload(iss="i" * 2900))
    assert len(longest) > MAX_LENGTH
    with pytest.raises(errors.TokenMalformed):
        verify(longest)


@given(st.integers(0, len(GOOD) - 1), st.sampled_from("ABCXYZabcxyz0189-_"))
def test_no_change_of_a_single_character_is_accepted(position, character):
    if GOOD[position] == character:
        return
    with pytest.raises(errors.TokenRefused):
        verify(GOOD[:position] + character + GOOD[position + 1 :])


def test_the_signature_has_one_spelling_only():
    accepted = []
    for last in "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_":
        try:
            verify(GOOD[:-1] + last)
            accepted.append(last)
        except errors.TokenRefused:
            pass
    assert accepted == [GOOD[-1]]


def test_two_good_tokens_cannot_be_mixed():
    other = sign(KEY, payload(max_size=1 << 40))
    head, body, _ = other.split(".")
    with pytest.raises(errors.TokenSignature):
        verify(f"{head}.{body}.{GOOD.split('.')[2]}")


@given(st.text(max_size=300))
def test_noise_is_refused_by_a_named_refusal(text):
    with pytest.raises(errors.TokenRefused):
        verify(text)


def test_a_refusal_quotes_nothing_of_the_token():
    with pytest.raises(errors.TokenRefused) as caught:
        verify(sign(KEY, payload(sub="canary canary")))
    assert "canary" not in f"{caught.value} {caught.value.args}"
