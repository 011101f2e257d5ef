"""The key file of the checking side: public, Ed25519, oldest to newest."""

import json

import pytest

from services_app.tokens import errors
from services_app.tokens.verify import LEEWAY, TokenVerifier
from tests.services_app.making import AUDIENCE, ISSUER, NOW, key_set, new_key, payload, public, sign

OLD, NEW, NEXT = new_key(), new_key(), new_key()


def from_file(path):
    return TokenVerifier.from_file(path, ISSUER, AUDIENCE)


def test_a_token_under_any_key_of_the_file_is_accepted(tmp_path):
    verifier = from_file(key_set(tmp_path / "keys", public(OLD), public(NEW)))
    assert verifier.verify(sign(OLD, payload()), NOW)
    assert verifier.verify(sign(NEW, payload()), NOW)


def test_rotation_goes_checker_first_then_maker_then_the_old_key_goes(tmp_path):
    before = from_file(key_set(tmp_path / "1", public(OLD)))
    during = from_file(key_set(tmp_path / "2", public(OLD), public(NEW)))
    after = from_file(key_set(tmp_path / "3", public(NEW)))
    with pytest.raises(errors.TokenKeyUnknown):
        before.verify(sign(NEW, payload()), NOW)
    assert during.verify(sign(OLD, payload()), NOW) and during.verify(sign(NEW, payload()), NOW)
    with pytest.raises(errors.TokenKeyUnknown):
        after.verify(sign(OLD, payload()), NOW)


@pytest.mark.parametrize("position", [0, 1, 2])
def test_a_private_key_anywhere_in_the_file_is_refused(tmp_path, position):
    keys = [public(OLD), public(NEW), public(NEXT)]
    keys[position] = [OLD, NEW, NEXT][position]
    with pytest.raises(ValueError, match="public"):
        from_file(key_set(tmp_path / "keys", *keys))


@pytest.mark.parametrize(
    "wrong",
    [
        {"kty": "oct", "k": "AAAA", "kid": "a"},
        {"kty": "EC", "crv": "P-256", "x": "AAAA", "y": "AAAA", "kid": "a"},
        public(OLD) | {"crv": "X25519"},
        public(OLD) | {"kid": ""},
        {k: v for k, v in public(OLD).items() if k != "kid"},
        {k: v for k, v in public(OLD).items() if k != "x"},
        public(OLD) | {"x": "AAAA"},
        public(OLD) | {"x": 5},
        public(OLD) | {"x": "!!"},
        public(OLD) | {"kid": ["a"]},
        public(OLD) | {"kid": NEW["kid"]},  # RFC 7638: not this key's thumbprint
        {},
        "a string",
        None,
        [],
    ],
)
def test_any_other_key_in_the_file_is_refused_with_a_value_error(tmp_path, wrong):
    with pytest.raises(ValueError):
        from_file(key_set(tmp_path / "keys", wrong))


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"keys": {}}', '{"keys": []}', "x", '{"keys": null}', '"keys"'])
def test_a_file_that_is_no_key_set_is_refused_with_a_value_error(tmp_path, text):
    (tmp_path / "keys").write_text(text)
    with pytest.raises(ValueError):
        from_file(tmp_path / "keys")


def test_a_file_that_is_absent_is_an_os_error(tmp_path):
    with pytest.raises(OSError):
        from_file(tmp_path / "none")


def test_one_kid_for_two_keys_is_refused(tmp_path):
    # An honest thumbprint cannot collide, so this is a file that somebody edited by hand.
    with pytest.raises(ValueError):
        from_file(key_set(tmp_path / "keys", public(OLD), public(NEW) | {"kid": OLD["kid"]}))


def test_the_error_quotes_no_key(tmp_path):
    with pytest.raises(ValueError) as caught:
        from_file(key_set(tmp_path / "keys", OLD))
    assert OLD["d"] not in json.dumps(str(caught.value))


def test_a_token_that_was_found_genuine_still_ends_in_time():
    verifier, claims = TokenVerifier([public(OLD)], ISSUER, AUDIENCE), payload()
    token = sign(OLD, claims)
    assert verifier.verify(token, NOW) == verifier.verify(token, NOW + 1)
    with pytest.raises(errors.TokenExpired):
        verifier.verify(token, claims["exp"] + LEEWAY + 1)
    with pytest.raises(errors.TokenNotYetValid):
        verifier.verify(token, claims["nbf"] - LEEWAY - 1)


def test_that_one_token_was_found_genuine_makes_no_other_so():
    verifier, token = TokenVerifier([public(OLD)], ISSUER, AUDIENCE), sign(OLD, payload())
    verifier.verify(token, NOW)
    head, body, signature = token.split(".")
    other = sign(OLD, payload(max_size=5)).split(".")[1]
    for forged in (f"{head}.{other}.{signature}", f"{head}.{body}.{signature[:-4]}AAAA"):
        for _ in range(2):
            with pytest.raises(errors.TokenSignature):
                verifier.verify(forged, NOW)
