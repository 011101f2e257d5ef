"""The internal API: metadata for web_app, no bytes, no names, no paths."""

import pytest

from services_app.internal import ledger
from services_app.ledger.models import Entry
from services_app.proof import continuations
from services_app.uploads import actions
from services_app.uploads.models import Upload
from tests.services_app.making import (
    COLLECTION,
    INTERNAL_KEY,
    WEB_APP,
    Connection,
    a_zip,
    announced,
    begun,
    claims_object,
    header_of,
    receipt_claims,
    received,
    request_body,
    some_uuid,
)

pytestmark = pytest.mark.django_db
ZIP = a_zip()


@pytest.fixture
def call(control, known_store):
    return lambda method, path: control(method, f"/internal/v1/{path}", token=INTERNAL_KEY, peer=Connection(WEB_APP))


@pytest.fixture
def stored(known_store):
    """A function: store an object; return its upload."""
    return lambda: received(request_body(ZIP), claims_object(), announced(len(ZIP), name="canary.zip"))


def test_a_grant_is_told_as_its_sender_would_see_it(call, stored):
    upload = stored()
    said = call("GET", f"grants/{upload.grant_id}").json()
    assert (said["grant"], said["state"]) == (str(upload.grant_id), "committed")
    assert said["uploads"][0]["receipt"] == upload.receipt


def test_a_grant_that_was_only_refused_is_unused_with_its_problem(call):
    claims = claims_object()
    actions.note_refusal(claims, "too_large")
    said = call("GET", f"grants/{claims.jti}").json()
    assert (said["state"], said["problem"]["code"]) == ("unused", "too_large")


def test_a_grant_that_was_never_seen_is_unknown(call):
    answer = call("GET", f"grants/{some_uuid()}")
    assert (answer.status_code, answer.json()["code"]) == (404, "upload_unknown")


def test_web_app_may_have_the_folder_of_a_collection_made_once_or_again(call, nas):
    for _ in range(2):
        assert call("PUT", "collections/ct-2026").status_code == 204
    assert (nas / "collections/ct-2026").is_dir()
    assert call("GET", "collections/ct-2026/objects").json() == {"objects": [], "next": None}


@pytest.mark.parametrize(
    ("slug", "allowed", "answer"),
    [
        ("ct-2026", False, (403, "peer_forbidden")),
        ("CT", True, (400, "request_malformed")),
        ("-ct", True, (400, "request_malformed")),
        ("c" * 64, True, (400, "request_malformed")),
        ("a-file", True, (403, "collection_unknown")),
    ],
)
def test_a_folder_is_not_made_where_this_tier_does_not_want_it_or_cannot(call, nas, settings, slug, allowed, answer):
    settings.COLLECTIONS_FROM_WEB = allowed
    (nas / "collections/a-file").touch()
    before = sorted(nas.rglob("*"))
    said = call("PUT", f"collections/{slug}")
    assert (said.status_code, said.json()["code"]) == answer
    assert sorted(nas.rglob("*")) == before


def test_objects_are_listed_page_by_page(call, stored):
    ids = [str(stored().id) for _ in range(5)]
    assert call("GET", f"collections/{COLLECTION}/objects").json() == {"objects": ids, "next": None}
    first = call("GET", f"collections/{COLLECTION}/objects?limit=2").json()
    assert first == {"objects": ids[:2], "next": ids[1]}
    second = call("GET", f"collections/{COLLECTION}/objects?limit=2&after={first['next']}").json()
    assert second == {"objects": ids[2:4], "next": ids[3]}
    last = call("GET", f"collections/{COLLECTION}/objects?limit=2&after={second['next']}").json()
    assert last == {"objects": ids[4:], "next": None}


def test_a_page_that_is_exactly_full_is_the_last(call, stored):
    ids = [str(stored().id) for _ in range(2)]
    assert call("GET", f"collections/{COLLECTION}/objects?limit=2").json() == {"objects": ids, "next": None}


@pytest.mark.parametrize("limit", ["0", "-1", "x", "", "1.5"])
def test_a_limit_that_makes_no_sense_is_malformed(call, limit):
    answer = call("GET", f"collections/{COLLECTION}/objects?limit={limit}")
    assert (answer.status_code, answer.json()["code"]) == (400, "request_malformed")


def test_a_collection_that_is_not_here_is_told(call):
    assert call("GET", "collections/other/objects").json()["code"] == "collection_unknown"


def test_an_object_has_metadata_and_neither_name_nor_path(call, stored):
    upload = stored()
    answer = call("GET", f"objects/{upload.id}")
    assert answer.json() == {
        "upload_id": str(upload.id),
        "collection": COLLECTION,
        "size": len(ZIP),
        "sha256": upload.sha256,
        "media_type": "application/zip",
        "stored_at": actions.rfc3339(upload.durable_at),
    }
    assert call("HEAD", f"objects/{upload.id}").status_code == 200


def test_no_answer_of_this_api_holds_a_name(call, stored):
    upload = stored()
    for path in (f"grants/{upload.grant_id}", f"collections/{COLLECTION}/objects", f"objects/{upload.id}"):
        answer = call("GET", path)
        assert answer.status_code == 200 and "canary" not in answer.content.decode() + str(answer.headers)


def test_the_size_is_that_of_the_file_on_the_nas(call, stored, known_store):
    upload = stored()
    known_store.path(actions.object_name(upload)).write_bytes(b"shorter")
    assert call("GET", f"objects/{upload.id}").json()["size"] == 7


def test_an_object_that_is_not_committed_or_is_gone_is_unknown(call, stored, known_store):
    running = begun(claims_object(), announced())
    gone = stored()
    known_store.delete(actions.object_name(gone))
    for upload_id in (running.id, gone.id, some_uuid()):
        answer = call("GET", f"objects/{upload_id}")
        assert (answer.status_code, answer.json()["code"]) == (404, "upload_unknown")


def test_a_deletion_removes_the_object_and_enters_the_ledger_once(call, stored, known_store):
    upload = stored()
    assert call("DELETE", f"objects/{upload.id}").status_code == 204
    assert not known_store.exists(actions.object_name(upload))
    assert Upload.objects.get().state == "deleted"
    assert [entry.event for entry in Entry.objects.all()] == ["committed", "deleted"]
    assert call("DELETE", f"objects/{upload.id}").status_code == 404
    assert Entry.objects.count() == 2


def test_a_deletion_removes_the_second_name_that_a_crash_behind_the_ledger_entry_left(call, stored, known_store):
    upload = stored()
    (known_store.root / "staging" / str(upload.id)).hardlink_to(known_store.path(actions.object_name(upload)))
    assert call("DELETE", f"objects/{upload.id}").status_code == 204
    assert known_store.staged_names() == []


def test_a_deletion_that_was_cut_off_can_be_repeated(call, stored, known_store, monkeypatch):
    upload = stored()

    def broken(upload):
        raise RuntimeError

    with monkeypatch.context() as patch:
        patch.setattr(actions, "mark_deleted", broken)
        assert call("DELETE", f"objects/{upload.id}").status_code == 500
    assert not known_store.exists(actions.object_name(upload)) and Upload.objects.get().state == "committed"
    assert call("DELETE", f"objects/{upload.id}").status_code == 204
    assert Upload.objects.get().state == "deleted" and Entry.objects.last().event == "deleted"


def test_a_deletion_while_the_nas_is_away_changes_nothing(call, stored, nas):
    upload = stored()
    nas.rename(nas.with_name("unmounted"))
    assert call("DELETE", f"objects/{upload.id}").status_code == 503
    assert Upload.objects.get().state == "committed"


@pytest.mark.parametrize(
    ("path", "method"),
    [("grants/{}", "DELETE"), ("grants/{}", "POST"), ("objects/{}", "PUT"), ("objects/{}", "PATCH"),
     (f"collections/{COLLECTION}/objects", "DELETE"), (f"collections/{COLLECTION}/objects", "POST")],
)  # fmt: skip
def test_any_other_method_is_refused(call, stored, path, method):
    upload = stored()
    answer = call(method, path.format(upload.id))
    assert answer.status_code == 405 and method not in answer["Allow"] and "GET" in answer["Allow"]


def test_web_app_is_told_the_hashes_of_entries_and_the_head(call, stored):
    assert call("GET", "ledger?seq=1").json() == {"head": None, "entries": {}}
    stored(), stored()
    first, second = Entry.objects.order_by("seq")
    assert call("GET", "ledger?seq=1&seq=7").json() == {"head": {"seq": 2, "hash": second.hash}, "entries": {"1": first.hash}}


@pytest.mark.parametrize(
    "question", ["ledger?seq=x", "ledger?seq=-1", "ledger?seq=", "ledger?" + "seq=1&" * 101, "ledger?id=1", f"ledger?seq={'9' * 19}"]
)
def test_a_malformed_question_about_the_ledger_is_refused(call, question):
    assert call("GET", question).json()["code"] == "request_malformed"


def test_a_checkpoint_is_the_head_signed_with_the_receipt_key(call, stored, receipt_key):
    assert call("GET", "ledger/checkpoint").json() == {"checkpoint": None}
    stored()
    text = call("GET", "ledger/checkpoint").json()["checkpoint"]
    said = receipt_claims(text, receipt_key)
    assert (said["ledger_seq"], said["ledger_head"]) == (1, Entry.objects.get().hash)
    assert header_of(text)["typ"] == "ledger-checkpoint+jwt"


def test_continuations_are_told_page_by_page(call, stored, monkeypatch):
    monkeypatch.setattr(ledger, "CONTINUATIONS", 2)
    stored()
    entries = [continuations.declare([(9, "a" * 64)])[0] for _ in range(3)]
    first = call("GET", "ledger/continuations").json()
    assert ([one["seq"] for one in first["continuations"]], first["next"]) == ([2, 3], 3)
    rest = call("GET", "ledger/continuations?after=3").json()
    assert rest == {"continuations": [{"seq": 4, "signed": entries[2].facts["signed"]}], "next": None}
