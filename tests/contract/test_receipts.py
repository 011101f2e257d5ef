"""services_app signs receipts, web_app verifies: the two spell the same claims, each in its own code."""

import dataclasses
import datetime
import json
import time

import pytest
from joserfc.jwk import KeySet, OKPKey

from services_app.receipts import issue
from services_app.receipts.issue import ReceiptIssuer
from services_app.uploads.content.media import detect
from web_app.receipts import verify as web
from web_app.receipts.verify import ReceiptVerifier

ISSUER = "https://services.example"
STATEMENT = {
    "upload_id": "01890000-0000-7000-8000-000000000002",
    "grant": "01890000-0000-7000-8000-000000000001",
    "sub": "u_42-A",
    "collection": "mri-2026",
    "size": 327 << 20,
    "sha256": "ab" * 32,
    "media_type": "application/zip",
    "received_at": "2026-11-23T09:00:00.000Z",
    "durable_at": "2026-11-23T09:01:02.345Z",
    "ledger_seq": 7,
    "ledger_head": "cd" * 32,
}
# the claim → web_app's field
SAME = {name: name for name in STATEMENT} | {"sub": "subject", "iat": "issued_at"}


def new_key() -> OKPKey:
    return OKPKey.generate_key("Ed25519", parameters={"use": "sig", "alg": "Ed25519"}, auto_kid=True)


OLD, NEW = new_key(), new_key()


def issuer(tmp_path, *keys) -> ReceiptIssuer:
    path = tmp_path / "receipt-private.jwks"
    path.write_text(json.dumps(KeySet(list(keys)).as_dict(private=True)))
    return ReceiptIssuer.from_file(path, ISSUER)


def verifier(tmp_path, *keys) -> ReceiptVerifier:
    path = tmp_path / "receipt-public.jwks"
    path.write_text(json.dumps(KeySet(list(keys)).as_dict(private=False)))
    return ReceiptVerifier.from_file(path, ISSUER)


def test_what_services_app_states_is_what_web_app_understands_field_by_field(tmp_path):
    before = int(time.time())
    found = verifier(tmp_path, NEW).verify(issuer(tmp_path, NEW).issue(STATEMENT))
    for claim, value in STATEMENT.items():
        field = getattr(found, SAME[claim])
        if isinstance(field, datetime.datetime):
            field = field.isoformat(timespec="milliseconds").replace("+00:00", "Z")
        assert field == value, claim
    assert before <= found.issued_at <= time.time() and found.issuer == ISSUER


def test_no_field_of_web_apps_side_is_left_out_of_this_comparison():
    assert {field.name for field in dataclasses.fields(web.Receipt)} == {"issuer", *SAME.values()}
    assert web._CLAIMS.keys() == {"iss", "iat", *STATEMENT}


def test_a_claim_that_only_services_app_knew_would_be_refused(tmp_path):
    receipt = issuer(tmp_path, NEW).issue(STATEMENT | {"storage_class": "cold"})
    with pytest.raises(web.ReceiptClaimsBad):
        verifier(tmp_path, NEW).verify(receipt)


@pytest.mark.parametrize("claim", sorted(STATEMENT))
def test_a_claim_that_services_app_forgot_would_be_refused(tmp_path, claim):
    receipt = issuer(tmp_path, NEW).issue({name: value for name, value in STATEMENT.items() if name != claim})
    with pytest.raises(web.ReceiptClaimsBad):
        verifier(tmp_path, NEW).verify(receipt)


def test_the_newest_key_signs_and_any_published_one_verifies(tmp_path):
    by_old, by_new = issuer(tmp_path, OLD), issuer(tmp_path, OLD, NEW)
    both = verifier(tmp_path, OLD, NEW)
    assert both.verify(by_old.issue(STATEMENT)) and both.verify(by_new.issue(STATEMENT))
    with pytest.raises(web.ReceiptKeyUnknown):
        verifier(tmp_path, OLD).verify(by_new.issue(STATEMENT))


def test_a_receipt_of_another_services_tier_is_refused(tmp_path):
    stranger = ReceiptIssuer([NEW.as_dict(private=True)], "https://other.example")
    with pytest.raises(web.ReceiptWrongIssuer):
        verifier(tmp_path, NEW).verify(stranger.issue(STATEMENT))


def test_a_receipt_of_an_empty_file_is_good(tmp_path):
    assert verifier(tmp_path, NEW).verify(issuer(tmp_path, NEW).issue(STATEMENT | {"size": 0})).size == 0


@pytest.mark.parametrize(
    "head", [b"", b"\0", b"text\n", b"%PDF-1.7\n", b"PK\x03\x04", b"\x1f\x8b\x08", bytes(range(256)) * 4]
)
def test_a_type_that_services_app_detects_is_one_that_web_app_takes(tmp_path, head):
    receipt = issuer(tmp_path, NEW).issue(STATEMENT | {"media_type": detect(head)})
    assert verifier(tmp_path, NEW).verify(receipt).media_type == detect(head)


def test_a_token_is_no_receipt_even_under_the_same_key(tmp_path):
    from web_app.tokens.claims import UploadClaims
    from web_app.tokens.issue import TokenSigner

    now = int(time.time())
    claims = UploadClaims(
        issuer=ISSUER, audience=ISSUER, issued_at=now, grant=STATEMENT["grant"], subject="u", start_by=now + 9,
        expires=now + 9, collection="c", max_size=1,
    )  # fmt: skip
    with pytest.raises(web.ReceiptWrongType):
        verifier(tmp_path, NEW).verify(TokenSigner(NEW).sign(claims))


def test_a_receipt_is_no_token_even_under_the_same_key(tmp_path):
    from services_app.tokens.errors import TokenType
    from services_app.tokens.verify import TokenVerifier

    with pytest.raises(TokenType):
        TokenVerifier([NEW.as_dict(private=False)], ISSUER, ISSUER).verify(issuer(tmp_path, NEW).issue(STATEMENT))


def test_the_documented_offline_check_works_on_what_web_app_publishes(tmp_path):
    text = web.Path(__file__).resolve().parents[2].joinpath("docs/token-format.md").read_text()
    program = text.split("```python\n")[1].split("```")[0]
    receipt = issuer(tmp_path, OLD, NEW).issue(STATEMENT)
    (tmp_path / "receipt-keys.json").write_text(json.dumps(verifier(tmp_path, OLD, NEW).published()))
    (tmp_path / "receipt.jws").write_text(receipt + "\n")
    import subprocess
    import sys

    ran = subprocess.run([sys.executable, "-c", program], cwd=tmp_path, capture_output=True, text=True, timeout=60)
    assert ran.stdout.strip() == STATEMENT["sha256"], ran.stderr
    (tmp_path / "receipt.jws").write_text(receipt[:-10] + ("A" * 10))
    ran = subprocess.run([sys.executable, "-c", program], cwd=tmp_path, capture_output=True, text=True, timeout=60)
    assert ran.returncode != 0


def test_a_checkpoint_of_services_app_is_what_web_app_understands_and_no_receipt(tmp_path):
    statement = {"store": "01890000-0000-7000-8000-000000000009", "ledger_seq": 8, "ledger_head": "ab" * 32}
    text = issuer(tmp_path, NEW).issue(statement, issue.CHECKPOINT)
    assert verifier(tmp_path, NEW).checkpoint(text) == (8, "ab" * 32)
    with pytest.raises(web.ReceiptWrongType):
        verifier(tmp_path, NEW).verify(text)


def test_what_services_app_states_after_a_restore_is_what_web_app_understands(tmp_path):
    known = [[9, "ef" * 32], [10, "cd" * 32]]
    text = issuer(tmp_path, NEW).issue({"after_seq": 8, "after_head": "ab" * 32, "known": known}, issue.CONTINUATION)
    said = verifier(tmp_path, NEW).continuation(text)
    assert (said.after, said.known) == ((8, "ab" * 32), {(9, "ef" * 32), (10, "cd" * 32)})
    with pytest.raises(web.ReceiptWrongType):
        verifier(tmp_path, NEW).verify(text)
