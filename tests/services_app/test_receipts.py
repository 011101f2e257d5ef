"""The signing side of receipts."""

import time

import pytest

from services_app.receipts.issue import ReceiptIssuer
from tests.services_app.making import header_of, key_set, new_key, public, receipt_claims

OLD, NEW = new_key(), new_key()
ISSUER = "https://receipts.example"


def test_the_last_key_of_the_file_signs(tmp_path):
    receipt = ReceiptIssuer.from_file(key_set(tmp_path / "keys", OLD, NEW), ISSUER).issue({"size": 1})
    assert header_of(receipt) == {"alg": "Ed25519", "typ": "upload-receipt+jwt", "kid": NEW["kid"]}
    assert receipt_claims(receipt, NEW)["size"] == 1


def test_the_receipt_says_who_signed_it_and_when():
    before = int(time.time())
    claims = receipt_claims(ReceiptIssuer([NEW], ISSUER).issue({"upload_id": "x"}), NEW)
    assert claims["iss"] == ISSUER
    assert before <= claims["iat"] <= time.time()
    assert claims.keys() == {"iss", "iat", "upload_id"}


@pytest.mark.parametrize(
    "wrong",
    [
        public(NEW),
        NEW | {"kty": "oct"},
        NEW | {"crv": "X25519"},
        NEW | {"kid": ""},
        NEW | {"kid": OLD["kid"]},
        {k: v for k, v in NEW.items() if k != "kid"},
        {k: v for k, v in NEW.items() if k != "x"},
        NEW | {"d": "AAAA"},
        NEW | {"d": "!!"},
        NEW | {"d": OLD["d"]},  # another key's private half: every receipt would fail to verify
        {},
        None,
        "x",
    ],
)
@pytest.mark.parametrize("position", [0, 1])
def test_a_key_that_cannot_sign_is_refused_wherever_it_stands(tmp_path, wrong, position):
    keys = [wrong, OLD] if position == 0 else [OLD, wrong]
    with pytest.raises(ValueError):
        ReceiptIssuer.from_file(key_set(tmp_path / "keys", *keys), ISSUER)


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"keys": {}}', '{"keys": []}', "x"])
def test_a_file_that_is_no_key_set_is_refused(tmp_path, text):
    (tmp_path / "keys").write_text(text)
    with pytest.raises(ValueError):
        ReceiptIssuer.from_file(tmp_path / "keys", ISSUER)


def test_no_error_quotes_the_private_key(tmp_path):
    with pytest.raises(ValueError) as caught:
        ReceiptIssuer.from_file(key_set(tmp_path / "keys", NEW | {"kid": "other"}), ISSUER)
    assert NEW["d"] not in str(caught.value)
