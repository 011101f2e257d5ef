"""A file goes in by curl, and everything that the receipt says is true."""

import hashlib
import json
from datetime import datetime

from joserfc import jws
from joserfc.jwk import KeySet

from tests.curl import bearer, curl


def test_curl_with_a_tokenised_url_stores_the_file_and_prints_a_receipt(stack, api, big_file):
    grant = api.new_grant(stack.collection)
    answer = curl(stack, grant["upload_url"].removeprefix(stack.url), "-T", str(big_file))
    assert answer.status == 201
    told = answer.json()
    digest = hashlib.sha256(big_file.read_bytes()).hexdigest()
    assert told["sha256"] == digest
    assert told["offset"] == told["length"] == big_file.stat().st_size
    assert hashlib.sha256(stack.stored(told["upload_id"]).read_bytes()).hexdigest() == digest
    assert answer.headers["x-upload-id"] == told["upload_id"]


def test_the_receipt_verifies_with_the_published_keys_and_says_what_was_stored(stack, api):
    grant = api.new_grant(stack.collection)
    told = api.put(grant["token"], b"BM" + bytes(1000), name="picture.bmp").json()
    receipt = jws.deserialize_compact(
        told["receipt"], KeySet.import_key_set(api.receipt_keys()), algorithms=["Ed25519"]
    )
    assert receipt.headers()["typ"] == "upload-receipt+jwt"
    claims = json.loads(receipt.payload)
    assert claims["upload_id"] == told["upload_id"]
    assert claims["grant"] == grant["id"]
    assert claims["collection"] == stack.collection
    assert (claims["size"], claims["sha256"]) == (1002, hashlib.sha256(b"BM" + bytes(1000)).hexdigest())
    assert claims["media_type"] == told["media_type"]
    assert datetime.fromisoformat(claims["received_at"]) <= datetime.fromisoformat(claims["durable_at"])
    assert not {"name", "path"} & claims.keys()


def test_the_manifest_beside_the_file_explains_it_without_the_database(stack, api):
    told = api.put(api.new_grant(stack.collection)["token"], b"content", name="scan 7.dcm").json()
    stored = stack.stored(told["upload_id"])
    manifest = json.loads(stored.with_name(stored.name + ".manifest.json").read_text())
    assert stored.name == manifest["name"] == "scan 7.dcm"
    assert manifest["sha256"] == hashlib.sha256(stored.read_bytes()).hexdigest()
    assert (manifest["size"], manifest["receipt"]) == (7, told["receipt"])


def test_the_stored_file_is_not_readable_by_everybody_and_writable_by_nobody(stack, api):
    told = api.put(api.new_grant(stack.collection)["token"], b"content").json()
    assert stack.stored(told["upload_id"]).stat().st_mode & 0o777 == 0o440


def test_the_state_of_the_grant_goes_from_unused_to_committed_with_the_receipt(stack, api):
    token = api.new_grant(stack.collection)["token"]
    before = curl(stack, "/u", *bearer(token)).json()
    told = api.put(token, b"content").json()
    after = curl(stack, "/u", *bearer(token)).json()
    assert (before["state"], before["uploads"]) == ("unused", [])
    assert after["state"] == "committed"
    assert after["uploads"] == [told]
    one = curl(stack, f"/u/{told['upload_id']}", *bearer(token))
    assert (one.status, one.json()) == (200, told)


def test_one_grant_does_not_show_the_uploads_of_another(stack, api):
    told = api.put(api.new_grant(stack.collection)["token"], b"content").json()
    other = api.new_grant(stack.collection)["token"]
    answer = curl(stack, f"/u/{told['upload_id']}", *bearer(other))
    assert (answer.status, answer.json()["code"]) == (404, "upload_unknown")


def test_web_app_marks_the_upload_complete_when_it_is_shown_the_receipt(stack, api):
    grant = api.new_grant(stack.collection)
    told = api.put(grant["token"], b"content").json()
    assert api.hand_in(told["receipt"])["state"] == "complete"
    seen = api.call("GET", f"/api/v1/uploads/{grant['id']}").json()
    assert (seen["state"], seen["sha256"], seen["size"]) == ("complete", told["sha256"], 7)


def test_reconcile_completes_an_upload_whose_receipt_never_came(stack, api):
    grant = api.new_grant(stack.collection)
    told = api.put(grant["token"], b"content").json()
    stack.manage("web_app", "reconcile")
    seen = api.call("GET", f"/api/v1/uploads/{grant['id']}").json()
    assert (seen["state"], seen["sha256"]) == ("complete", told["sha256"])


def test_the_ledger_holds_and_its_head_is_in_the_newest_receipt(stack, api):
    told = api.put(api.new_grant(stack.collection)["token"], b"content").json()
    claims = json.loads(jws.extract_compact(told["receipt"].encode()).payload)
    assert claims["ledger_head"] in stack.manage("services_app", "verify_ledger")
