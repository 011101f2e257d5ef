"""Single use: a grant has so many slots, an upload holds one from created to committed, an abort gives it back."""

import threading

import pytest
from django.db import IntegrityError, connection, transaction
from django.utils import timezone

from services_app.ledger.models import Entry
from services_app.tokens.errors import TokenStartBy
from services_app.uploads import actions, errors, policies
from services_app.uploads.models import Grant, Upload
from services_app.uploads.ownership import leases
from services_app.uploads.states import NEXT, RUNNING, State
from tests.services_app import making
from tests.services_app.making import announced, begun, claims_object

pytestmark = pytest.mark.django_db


def commit(upload):
    actions.begin_commit(upload, size=4, sha256="ab" * 32, media_type="application/zip")
    actions.complete(upload)


@pytest.fixture
def claims():
    return claims_object()


@pytest.fixture
def line_for_all(settings):
    """Twenty of one person may wait for their turn."""
    settings.LISTENER, settings.UPLOAD_MAX_CONCURRENT = "uploads", 64


def test_the_ways_between_states_are_exactly_these():
    assert NEXT == {
        "waiting": {"receiving", "aborted"},
        "receiving": {"waiting", "committing", "aborted"},
        "committing": {"committed", "aborted"},
        "committed": {"deleted"},
        "aborted": set(),
        "deleted": {"committed"},
    }
    assert set(NEXT) == set(State) and set(RUNNING) == {"receiving", "committing"}


WAYS = {
    State.WAITING: actions.wait,
    State.COMMITTING: lambda u: actions.begin_commit(u, size=1, sha256="", media_type=""),
    State.COMMITTED: actions.complete,
    State.ABORTED: lambda u: actions.abort(u, "body_cut_off"),
    State.DELETED: actions.mark_deleted,
}


@pytest.mark.parametrize("source", list(State))
@pytest.mark.parametrize("to", list(WAYS))
def test_a_change_that_the_table_does_not_know_changes_nothing(claims, source, to):
    upload = begun(claims, announced())
    Upload.objects.filter(id=upload.id).update(state=source, slot=None, size=1, sha256="ab" * 32, media_type="a/b")
    upload.refresh_from_db()
    before = Entry.objects.count()
    if (source, to) == (State.DELETED, State.COMMITTED):
        with pytest.raises(actions.LeaseLost):
            WAYS[to](upload)
        actions.mark_restored(upload, "scan.zip")
        assert Upload.objects.get().state == to
    elif to in NEXT[source]:
        WAYS[to](upload)
        assert Upload.objects.get().state == to
    else:
        with pytest.raises(actions.LeaseLost):
            WAYS[to](upload)
        assert Upload.objects.get().state == source and Entry.objects.count() == before


def test_a_claim_keeps_what_was_announced_and_nothing_of_the_token(claims):
    upload = begun(claims, announced(length=7, name="scan.zip"))
    upload.refresh_from_db()
    assert (upload.grant_id, upload.slot, upload.state, upload.generation) == (claims.jti, 0, "receiving", 1)
    assert (upload.length, upload.safe_name, upload.size, upload.receipt) == (7, "scan.zip", None, "")
    assert (upload.grant.sub, upload.grant.collection) == (claims.sub, claims.collection)
    assert upload.grant.expires_at.timestamp() == claims.exp


def test_a_second_upload_under_a_running_grant_is_in_progress(claims):
    begun(claims, announced())
    with pytest.raises(errors.UploadInProgress):
        begun(claims, announced())


def test_a_grant_that_was_used_up_says_that_its_file_is_stored(claims):
    commit(begun(claims, announced()))
    with pytest.raises(errors.AlreadyCommitted):
        begun(claims, announced())


def test_a_deletion_does_not_renew_the_grant(claims):
    upload = begun(claims, announced())
    commit(upload)
    actions.mark_deleted(upload)
    with pytest.raises(errors.AlreadyCommitted):
        begun(claims, announced())


def test_an_abort_frees_the_slot_and_is_remembered(claims):
    upload = begun(claims, announced())
    actions.abort(upload, "too_slow")
    assert Grant.objects.get().last_refusal == "too_slow"
    again = begun(claims, announced())
    assert again.slot == 0 and again.id != upload.id
    assert Grant.objects.get().last_refusal == ""


def test_a_grant_for_three_takes_three_and_says_what_it_waits_for():
    claims = claims_object(max_uploads=3)
    first, second, third = (begun(claims, announced()) for _ in range(3))
    assert [first.slot, second.slot, third.slot] == [0, 1, 2]
    commit(first)
    with pytest.raises(errors.UploadInProgress):
        begun(claims, announced())
    actions.abort(second, "body_cut_off")
    assert begun(claims, announced()).slot == 1


def test_an_aborted_upload_cannot_hold_a_slot(claims):
    upload = begun(claims, announced())
    with pytest.raises(IntegrityError), transaction.atomic():
        Upload.objects.filter(id=upload.id).update(state=State.ABORTED)


def test_start_by_bounds_the_first_use_only(claims):
    late = claims_object(jti=str(claims.jti), start_by=int(timezone.now().timestamp()) - 60)
    with pytest.raises(TokenStartBy):
        begun(late, announced())
    assert not Grant.objects.exists()
    actions.abort(begun(claims, announced()), "body_cut_off")
    assert begun(late, announced()).slot == 0


def test_a_refusal_does_not_count_as_first_use(claims):
    late = claims_object(jti=str(claims.jti), start_by=int(timezone.now().timestamp()) - 60)
    actions.note_refusal(claims, "too_large")
    with pytest.raises(TokenStartBy):
        begun(late, announced())


def test_a_refusal_that_is_noted_late_leaves_the_first_use_alone(claims):
    actions.note_refusal(claims, "too_large")
    stale = actions._grant(claims)
    begun(claims, announced())
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(actions, "_grant", lambda _: stale)  # as a rival request read it before the claim
        actions.note_refusal(claims, "upload_in_progress")
    assert Grant.objects.get().first_used_at is not None


def test_admission_counts_uploads_that_are_receiving(settings):
    settings.UPLOAD_MAX_CONCURRENT = 2
    first, _ = (begun(claims_object(sub=sub), announced()) for sub in ("u_42", "u_43"))
    with pytest.raises(errors.Busy):
        begun(claims_object(), announced())
    actions.abort(first, "body_cut_off")
    assert begun(claims_object(), announced())


def test_an_upload_that_was_abandoned_does_not_count_against_admission(settings):
    settings.UPLOAD_MAX_CONCURRENT = 1
    begun(claims_object(), announced())
    Upload.objects.update(**making.over())
    assert begun(claims_object(), announced())


def test_the_lock_on_a_slot_is_in_the_database_and_not_in_the_look_before(claims, monkeypatch):
    begun(claims, announced())
    monkeypatch.setattr(policies, "slot_for", lambda _, **__: (0, []))
    with pytest.raises(errors.UploadInProgress):
        begun(claims, announced())
    assert Upload.objects.count() == 1


@pytest.mark.django_db(transaction=True)
def test_of_twenty_that_claim_one_grant_at_once_one_wins(claims, line_for_all):
    assert "memory" not in connection.settings_dict["NAME"], "a database in memory would prove nothing"
    start, outcomes = threading.Barrier(20), []

    def rival():
        try:
            start.wait()
            outcomes.append(begun(claims, announced()).slot)
        except errors.UploadInProgress as exc:
            outcomes.append(type(exc))
        finally:
            connection.close()

    threads = [threading.Thread(target=rival) for _ in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert outcomes.count(0) == 1 and outcomes.count(errors.UploadInProgress) == 19
    assert Upload.objects.count() == 1 and Grant.objects.count() == 1


@pytest.mark.django_db(transaction=True)
def test_of_twenty_that_claim_a_grant_for_five_at_once_five_win(line_for_all):
    claims, start, outcomes = claims_object(max_uploads=5), threading.Barrier(20), []

    def rival():
        try:
            start.wait()
            outcomes.append(begun(claims, announced()).slot)
        except errors.UploadInProgress:
            outcomes.append(None)
        finally:
            connection.close()

    threads = [threading.Thread(target=rival) for _ in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(slot for slot in outcomes if slot is not None) == [0, 1, 2, 3, 4] and len(outcomes) == 20


@pytest.mark.django_db(transaction=True)
def test_parts_that_begin_at_once_share_the_room_of_their_grant(line_for_all):
    claims, start, outcomes = claims_object(max_size=100), threading.Barrier(8), []

    def rival():
        try:
            start.wait()
            begun(claims, announced(length=40, protocol="tus", concat="partial"), receiving=False)
            outcomes.append("begun")
        except errors.TooLarge as exc:
            outcomes.append(exc.code)
        finally:
            connection.close()

    threads = [threading.Thread(target=rival) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(outcomes) == ["begun"] * 2 + ["too_large"] * 6 and Upload.objects.count() == 2


def test_a_receipt_says_what_the_ledger_says(claims, receipt_key):
    from tests.services_app.making import receipt_claims

    upload = begun(claims, announced())
    commit(upload)
    entry, said = Entry.objects.get(), receipt_claims(Upload.objects.get().receipt, receipt_key)
    assert (said["ledger_seq"], said["ledger_head"]) == (entry.seq, entry.hash)
    assert (said["upload_id"], said["grant"], said["sub"]) == (str(upload.id), str(claims.jti), claims.sub)
    assert (said["size"], said["sha256"], said["media_type"]) == (4, "ab" * 32, "application/zip")
    began = actions.rfc3339(upload.received_at)
    assert entry.facts == {"size": 4, "sha256": "ab" * 32, "collection": claims.collection, "received_at": began}


def test_no_name_enters_ledger_or_receipt(claims, receipt_key):
    upload = begun(claims, announced(name="canary-name.zip"))
    commit(upload)
    assert "canary" not in str(Entry.objects.values()) and "canary" not in str(leases.owner())
    from tests.services_app.making import receipt_claims

    assert "canary" not in str(receipt_claims(upload.receipt, receipt_key))
