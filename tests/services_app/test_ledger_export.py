"""What an auditor gets of the ledger: the entries that were asked for, whole, and nothing that names a file."""

import csv
import hashlib
import io
import json
from datetime import timedelta
from io import StringIO

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone

from services_app.ledger.models import Entry
from services_app.uploads import actions
from tests.services_app.making import COLLECTION, a_zip, announced, begun, claims_object, received, request_body, uuid7

pytestmark = pytest.mark.django_db
TODAY, TOMORROW = timezone.now().date(), timezone.now().date() + timedelta(days=1)


@pytest.fixture
def happened(known_store):
    """u_42's stored and deleted file, and one of u_7 that was given up, in another collection."""
    known_store.add_collection("ct-2026")
    stored = received(request_body(a_zip()), claims_object(), announced(len(a_zip()), name="canary.zip"))
    ended = begun(claims_object(sub="u_7", collection="ct-2026"), announced(name="canary.zip"))
    actions.abort(ended, "upload_cancelled")
    actions.mark_deleted(stored)
    return stored, ended


def exported(*arguments) -> str:
    out = StringIO()
    call_command("ledger", "export", *arguments, stdout=out)
    return out.getvalue()


@pytest.mark.parametrize(
    ("asked", "events"),
    [
        ((), ["committed", "aborted", "deleted"]),
        (("--person", "u_42"), ["committed", "deleted"]),
        (("--person", "u_4"), []),
        (("--collection", COLLECTION), ["committed", "deleted"]),
        (("--collection", "ct-2026"), ["aborted"]),
        (("--collection", "ct-2026", "--person", "u_42"), []),
        (("--from", str(TODAY), "--to", str(TOMORROW)), ["committed", "aborted", "deleted"]),
        (("--from", str(TOMORROW + timedelta(days=1))), []),
        (("--to", str(TODAY - timedelta(days=1))), []),
    ],
)
def test_an_export_holds_what_was_asked_for_in_the_order_of_the_chain(happened, asked, events):
    assert [json.loads(line)["event"] for line in exported(*asked).splitlines()] == events


def test_an_export_of_one_upload_holds_what_became_of_it(happened):
    lines = exported("--upload", str(happened[0].id)).splitlines()
    assert [(json.loads(line)["event"], json.loads(line)["upload_id"]) for line in lines] == [
        ("committed", str(happened[0].id)),
        ("deleted", str(happened[0].id)),
    ]


def test_an_auditor_can_compute_every_hash_again_and_reads_no_name(happened):
    text = exported()
    assert "canary" not in text
    for line in map(json.loads, text.splitlines()):
        said = line.pop("hash")
        assert hashlib.sha256(json.dumps(line, sort_keys=True, separators=(",", ":")).encode()).hexdigest() == said


def test_a_table_has_the_same_in_columns(happened):
    rows = list(csv.DictReader(io.StringIO(exported("--csv"))))
    assert [int(row["seq"]) for row in rows] == [1, 2, 3] and [row["hash"] for row in rows] == [e.hash for e in Entry.objects.all()]
    assert json.loads(rows[1]["facts"]) == {"code": "upload_cancelled"}


@pytest.mark.parametrize("asked", [("--upload", "x"), ("--from", "yesterday")])
def test_a_question_that_makes_no_sense_is_refused(asked):
    with pytest.raises(CommandError, match="invalid"):
        exported(*asked)


def test_what_was_cut_off_and_goes_on_is_an_entry_once_an_hour_at_most(known_store, uploads, grant_token, monkeypatch):
    tus = {"HTTP_TUS_RESUMABLE": "1.0.0", "CONTENT_TYPE": "application/offset+octet-stream"}
    token = grant_token()
    made = uploads("POST", "/u", token=token, HTTP_UPLOAD_LENGTH="9", **tus)

    def bring(offset, body, length):
        return uploads("PATCH", made["Location"], token=token, body=body, CONTENT_LENGTH=length, HTTP_UPLOAD_OFFSET=str(offset), **tus)

    assert bring(0, b"12", "2").status_code == 204 and not Entry.objects.exists(), "an append that ends well is no news"
    assert bring(2, b"3", "7").status_code == bring(3, b"4", "6").status_code == 400
    with monkeypatch.context() as patch:
        patch.setattr(actions, "RESUMED_EVERY", timedelta(0))
        assert bring(4, b"56", "2").status_code == 204
    assert bring(6, b"789", "3").status_code == 204
    told = [json.loads(line) for line in exported("--upload", made["Location"].rpartition("/")[2]).splitlines()]
    assert [(one["event"], one["facts"].get("offset"), one["facts"].get("code")) for one in told] == [
        ("resumed", 3, "body_cut_off"),
        ("resumed", 4, "body_cut_off"),
        ("committed", None, None),
    ]
    assert told[-1]["facts"]["received_at"], "when its first byte came"


def test_a_look_at_the_store_is_one_entry(known_store):
    received(request_body(a_zip()), claims_object(jti=uuid7()), announced(len(a_zip())))
    call_command("verify_store", stdout=StringIO())
    assert Entry.objects.last().event == "verified"
    assert Entry.objects.last().facts == {"looked_at": 1, "bytes": len(a_zip()), "found": {}}
    call_command("verify_ledger", stdout=StringIO())
    assert json.loads(exported().splitlines()[-1])["event"] == "verified"
