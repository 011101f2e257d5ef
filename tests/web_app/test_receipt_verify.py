"""web_app.receipts.verify: one class for each way in which a receipt can fail."""

import base64
import json

import pytest
from joserfc.jwk import OKPKey

from tests.web_app.signing import UPLOAD_ID, receipt_key, signed
from web_app.receipts import verify
from web_app.receipts.verify import ReceiptVerifier

ISSUER = "https://services.example"
NOW = 1_795_000_000
CLAIMS = {
    "iss": ISSUER,
    "iat": NOW,
    "upload_id": UPLOAD_ID,
    "grant": "019ab0c0-0000-7000-8000-0000000000ff",
    "sub": "abc",
    "collection": "mri-2026",
    "size": 100,
    "sha256": "ab" * 32,
    "media_type": "application/zip",
    "received_at": "2026-11-23T08:00:00.000Z",
    "durable_at": "2026-11-23T08:01:00.500Z",
    "ledger_seq": 7,
    "ledger_head": "cd" * 32,
}


def checked(text, now=NOW):
    public = OKPKey.import_key(receipt_key().as_dict(private=False))
    return ReceiptVerifier([public], ISSUER).verify(text, now)


def test_good_receipt_is_read():
    receipt = checked(signed(CLAIMS))
    assert (receipt.upload_id, receipt.size, receipt.sha256) == (UPLOAD_ID, 100, "ab" * 32)
    assert receipt.durable_at.isoformat() == "2026-11-23T08:01:00.500000+00:00"


def test_receipt_under_an_older_published_key_is_read():
    newest = OKPKey.import_key(OKPKey.generate_key("Ed25519").as_dict(private=False))
    older = OKPKey.import_key(receipt_key().as_dict(private=False))
    assert ReceiptVerifier([older, newest], ISSUER).verify(signed(CLAIMS), NOW).size == 100


@pytest.mark.parametrize("text", ["", "a.b", "a.b.c.d", "..", "é.b.c", "a.b.c", "a b.c.d", "x" * 9000 + ".b.c"])
def test_no_compact_jws_is_malformed(text):
    with pytest.raises(verify.ReceiptMalformed):
        checked(text)


@pytest.mark.parametrize("name", ["jku", "jwk", "x5u", "x5c", "crit", "cty", "anything"])
def test_header_that_brings_more_than_alg_typ_kid_is_malformed(name):
    head, body, signature = signed(CLAIMS).split(".")
    header = json.loads(base64.urlsafe_b64decode(head + "=="))
    head = base64.urlsafe_b64encode(json.dumps({**header, name: "x"}).encode()).decode().rstrip("=")
    with pytest.raises(verify.ReceiptMalformed):
        checked(f"{head}.{body}.{signature}")


@pytest.mark.filterwarnings("ignore:EdDSA is deprecated")
@pytest.mark.parametrize(
    "header", [{"typ": "upload+jwt"}, {"typ": "JWT"}, {"typ": None}, {"typ": "Upload-Receipt+JWT"}, {"alg": "EdDSA"}]
)
def test_other_kind_of_statement_is_of_the_wrong_type(header):
    with pytest.raises(verify.ReceiptWrongType):
        checked(signed(CLAIMS, header))


def test_unsigned_receipt_is_of_the_wrong_type():
    head = base64.urlsafe_b64encode(b'{"alg":"none","typ":"upload-receipt+jwt","kid":"x"}').decode().rstrip("=")
    with pytest.raises(verify.ReceiptWrongType):
        checked(f"{head}.{signed(CLAIMS).split('.')[1]}.AA")


def test_missing_kid_is_malformed():
    with pytest.raises(verify.ReceiptMalformed):
        checked(signed(CLAIMS, {"kid": None}))


def test_unknown_kid_is_refused():
    with pytest.raises(verify.ReceiptKeyUnknown):
        checked(signed(CLAIMS, key=OKPKey.generate_key("Ed25519")))


def test_forgery_under_a_known_kid_is_refused():
    with pytest.raises(verify.ReceiptSignatureBad):
        checked(signed(CLAIMS, {"kid": receipt_key().thumbprint()}, OKPKey.generate_key("Ed25519")))


def test_changed_claims_break_the_signature():
    head, _, signature = signed(CLAIMS).split(".")
    body = signed({**CLAIMS, "size": 101}).split(".")[1]
    with pytest.raises(verify.ReceiptSignatureBad):
        checked(f"{head}.{body}.{signature}")


@pytest.mark.parametrize("claim", sorted(CLAIMS))
def test_each_claim_is_required(claim):
    with pytest.raises(verify.ReceiptClaimsBad):
        checked(signed({name: value for name, value in CLAIMS.items() if name != claim}))


@pytest.mark.parametrize(
    ("claim", "value"),
    [
        ("iss", 1),
        ("iat", "1"),
        ("iat", True),
        ("iat", 1.5),
        ("upload_id", "x"),
        ("upload_id", UPLOAD_ID + "\n"),
        ("grant", None),
        ("sub", ""),
        ("collection", "../x"),
        ("size", -1),
        ("size", "100"),
        ("size", True),
        ("sha256", "AB" * 32),
        ("media_type", "zip"),
        ("media_type", "a/b; name=Jane.zip"),
        ("received_at", "2026-11-23"),
        ("durable_at", "2026-13-23T08:01:00.500Z"),
        ("ledger_seq", None),
        ("ledger_head", ""),
    ],
)
def test_ill_typed_claim_is_refused(claim, value):
    with pytest.raises(verify.ReceiptClaimsBad):
        checked(signed({**CLAIMS, claim: value}))


def test_unknown_claim_is_refused():
    with pytest.raises(verify.ReceiptClaimsBad):
        checked(signed({**CLAIMS, "file_name": "x"}))


@pytest.mark.parametrize("payload", ["[]", "x", '{"iss": 1, "iss": 2}', ""])
def test_payload_that_is_no_plain_object_is_refused(payload):
    with pytest.raises((verify.ReceiptClaimsBad, verify.ReceiptMalformed)):
        checked(signed(payload))


def test_another_issuer_is_refused():
    with pytest.raises(verify.ReceiptWrongIssuer):
        checked(signed({**CLAIMS, "iss": "https://other.example"}))


def test_receipt_from_the_future_is_refused_past_the_leeway():
    assert checked(signed(CLAIMS), now=NOW - 30)
    with pytest.raises(verify.ReceiptFromTheFuture):
        checked(signed(CLAIMS), now=NOW - 31)


def test_old_receipt_stays_good():
    assert checked(signed(CLAIMS), now=NOW + 10 * 365 * 86400)


def test_every_failure_has_a_code_of_its_own():
    classes = verify.ReceiptError.__subclasses__()
    assert len(classes) == 7
    assert len({one.code for one in classes}) == 7


@pytest.mark.parametrize("member", [{"alg": "EdDSA"}, {"use": "enc"}])
def test_published_keys_for_another_purpose_are_refused(tmp_path, member):
    path = tmp_path / "keys.jwks"
    path.write_text(json.dumps({"keys": [{**receipt_key().as_dict(private=False), **member}]}))
    with pytest.raises(verify.KeyFileUnusable, match="another purpose"):
        ReceiptVerifier.from_file(path, ISSUER)


def test_published_keys_that_are_private_are_refused(tmp_path):
    path = tmp_path / "keys.jwks"
    path.write_text(json.dumps({"keys": [receipt_key().as_dict(private=True)]}))
    with pytest.raises(verify.KeyFileUnusable, match="private"):
        ReceiptVerifier.from_file(path, ISSUER)
