"""A permission that web_app took back: refused at the door, ended where it runs, and true for what is stored (ADR 0028)."""

import socket
import threading
import time
import uuid
from datetime import timedelta

import pytest
from django.db import connection
from django.utils import timezone

from services_app.ledger import verify
from services_app.ledger.models import Entry
from services_app.revocations import heard
from services_app.revocations.models import Revocation
from services_app.tokens.errors import TokenExpired
from services_app.uploads import actions, bounds, errors, revoke
from services_app.uploads.content import receive
from services_app.uploads.models import Upload
from services_app.uploads.ownership import leases, takeover, writers
from services_app.uploads.wire.callers import verifier
from tests.services_app import making
from tests.services_app.making import INTERNAL_KEY, WEB_APP, Connection, announced, begun, now_of

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("known_store")]
ZIP = making.a_zip()
BROWSER = "B" * 43


def until(seconds=3600) -> int:
    return int(time.time()) + seconds


@pytest.fixture
def tell(control):
    """A function: what web_app says; returns status and code."""

    def tell(query, peer=WEB_APP, method="PUT"):
        answer = control(method, f"/internal/v1/revocations?{query}", token=INTERNAL_KEY, peer=Connection(peer))
        return answer.status_code, answer.json()["code"] if answer.content else ""

    return tell


@pytest.fixture
def revoked(tell):
    """A function: revoke the grant of a token, or of claims."""

    def revoked(token):
        claims = verifier().verify(token) if isinstance(token, str) else token
        assert tell(f"until={until()}&grant={claims.jti}") == (204, "")
        return claims

    return revoked


def test_a_grant_that_was_never_seen_is_refused_at_every_verb(control, uploads, grant_token, revoked):
    token = grant_token()
    revoked(token)
    upload_id = making.some_uuid()
    asked = [
        *((uploads, method, "/u") for method in ("PUT", "POST")),
        (uploads, "PATCH", f"/u/{upload_id}"),
        *((control, method, "/u") for method in ("GET", "HEAD", "OPTIONS")),
        *((control, method, f"/u/{upload_id}") for method in ("DELETE", "OPTIONS")),
        (control, "POST", "/u/check"),
    ]
    for listener, method, path in asked:
        answer = listener(method, path, token=token, CONTENT_LENGTH="0")
        assert answer.status_code == 403, (method, path)
        if method != "HEAD":
            assert answer.json()["code"] == "grant_revoked", (method, path)
    verdict = control(
        "GET", "/authorize", token=token, HTTP_X_UPLOAD_METHOD="PUT", HTTP_X_UPLOAD_PATH="/", HTTP_X_UPLOAD_LENGTH="5"
    )
    assert verdict["X-Upload-Verdict"] == "grant_revoked"


def test_what_is_stored_keeps_its_receipt_and_takes_no_more(control, uploads, grant_token, revoked):
    token = grant_token(max_uploads=3)
    stored = making.received(making.request_body(ZIP), verifier().verify(token), announced(len(ZIP)))
    revoked(token)
    path = f"/u/{stored.id}"
    assert control("GET", path, token=token).json()["receipt"] == stored.receipt
    assert control("HEAD", path, token=token).status_code == 200
    told = control("GET", "/u", token=token).json()
    assert (told["state"], [one["receipt"] for one in told["uploads"]]) == ("committed", [stored.receipt])
    door = {"HTTP_X_UPLOAD_METHOD": "GET", "HTTP_X_UPLOAD_PATH": "/", "HTTP_X_UPLOAD_LENGTH": ""}
    assert "X-Upload-Verdict" not in control("GET", "/authorize", token=token, **door)
    for method, verdict in {"GET": None, "HEAD": None, "DELETE": "grant_revoked", "PATCH": "grant_revoked"}.items():
        asked = {
            "HTTP_X_UPLOAD_METHOD": method,
            "HTTP_X_UPLOAD_PATH": path.removeprefix("/u"),
            "HTTP_X_UPLOAD_LENGTH": "",
        }
        assert control("GET", "/authorize", token=token, **asked).get("X-Upload-Verdict") == verdict
    assert control("DELETE", path, token=token).status_code == 403
    assert uploads("PATCH", path, token=token, CONTENT_LENGTH="0").status_code == 403
    assert now_of(stored).state == "committed" and not now_of(stored).terminated


def test_one_token_ends_and_another_of_its_grant_goes_on_where_the_first_one_stood(control, uploads, grant_token, tell):
    jti, iat, tus = making.uuid7(), int(time.time()), {"HTTP_TUS_RESUMABLE": "1.0.0"}
    old, new = grant_token(jti=jti, iat=iat - 9), grant_token(jti=jti, iat=iat)
    made = uploads("POST", "/u", token=old, HTTP_UPLOAD_LENGTH=str(len(ZIP)), **tus)
    upload, path = Upload.objects.get(), made["Location"]
    assert tell(f"until={until()}&token={jti}%3A{iat - 9}") == (204, "")
    append = {"HTTP_UPLOAD_OFFSET": "0", "CONTENT_TYPE": "application/offset+octet-stream", **tus}
    refused = [uploads("PATCH", path, token=old, body=ZIP, **append), uploads("PUT", "/u", token=old, body=ZIP)]
    refused += [control(method, path, token=old) for method in ("GET", "DELETE")] + [control("POST", "/u/check", token=old)]
    assert [(answer.status_code, answer.json()["code"]) for answer in refused] == [(401, "token_expired")] * 5
    with pytest.raises(TokenExpired):
        actions.create(verifier().verify(old), announced(10), receiving=True)
    assert (now_of(upload).state, Upload.objects.count()) == ("waiting", 1), "nothing of the grant was given up"
    assert uploads("PATCH", path, token=new, body=ZIP, **append).status_code == 204
    assert control("GET", path, token=old).json()["receipt"] == now_of(upload).receipt


def test_what_was_heard_is_told_again(tell, control):
    grant, other, iat = making.uuid7(), making.uuid7(), int(time.time())
    tell(f"until={until()}&grant={grant}&token={grant}%3A{iat}&browser={BROWSER}")
    query = f"grant={grant}&grant={other}&token={grant}%3A{iat}&token={grant}%3A{iat + 1}&browser={BROWSER}"
    web_app = {"peer": Connection(WEB_APP), "token": INTERNAL_KEY}
    answer = control("GET", f"/internal/v1/revocations?{query}", **web_app)
    assert answer.json() == {"revoked": sorted([grant, f"{grant}:{iat}", BROWSER])}
    assert control("GET", "/internal/v1/revocations?", **web_app).status_code == 400
    assert control("GET", f"/internal/v1/revocations?until={until()}&{query}", **web_app).status_code == 400


def test_what_waits_ends_and_its_bytes_go_at_once(known_store, grant_token, tell, revoked):
    token = grant_token(max_uploads=2)
    claims = verifier().verify(token)
    upload = begun(claims, announced(10))
    with known_store.stage(upload.id) as staged:
        staged.write(memoryview(b"abc"))
    actions.wait(upload, offset=3)
    part = begun(claims, announced(5, concat="partial", protocol="tus"), receiving=False)
    revoked(token)
    revoked(token)  # said again, nothing happens
    assert (now_of(upload).state, now_of(upload).problem) == ("aborted", "grant_revoked")
    assert now_of(part).state == "aborted"
    assert known_store.staged_size(upload.id) is None
    assert (
        list(Entry.objects.filter(event="aborted").values_list("facts", flat=True)) == [{"code": "grant_revoked"}] * 2
    )
    assert errors.describe("grant_revoked")["status"] == 403


@pytest.mark.parametrize(("first", "state"), [("revocation", "aborted"), ("commit", "committed")])
def test_of_a_commit_and_a_revocation_exactly_one_wins(revoked, first, state):
    claims = making.claims_object()
    upload = begun(claims, announced(10))
    facts = {"size": 10, "sha256": "ab" * 32, "media_type": "application/zip"}
    if first == "revocation":
        revoked(claims)
        with pytest.raises(actions.LeaseLost):
            actions.begin_commit(upload, **facts)
    else:
        actions.begin_commit(upload, **facts)
        revoked(claims)
        actions.complete(upload)
    assert now_of(upload).state == state
    assert bool(now_of(upload).receipt) is (state == "committed")


def test_a_request_that_passed_the_door_before_begins_nothing(revoked):
    claims = making.claims_object()
    revoked(claims)
    with pytest.raises(errors.GrantRevoked):
        actions.create(claims, announced(10), receiving=True)
    assert not Upload.objects.exists()


def test_all_of_a_grant_ends_also_what_is_taken_over_meanwhile_and_nothing_of_another(nas, known_store, monkeypatch):
    claims, other = making.claims_object(max_uploads=4), making.claims_object()
    uploads = [begun(claims, announced(9)), begun(claims, announced(9)), begun(other, announced(9))]
    for upload in uploads:
        with known_store.stage(upload.id) as staged:
            staged.write(memoryview(b"1234"))
            staged.checkpoint()
    _, taken_over, foreign = uploads
    discard = type(known_store).discard

    def taken_over_now(store, upload_id, directory=()):
        discard(store, upload_id, directory)
        Upload.objects.filter(id=taken_over.id, state="receiving").update(generation=7, contender=7)

    monkeypatch.setattr(type(known_store), "discard", taken_over_now)
    revoke.take_back(claims.jti)
    assert [now_of(each).state for each in uploads] == ["aborted", "aborted", "receiving"]
    assert making.stored_files(nas) == [f"staging/{foreign.id}"] and not list(verify.broken_entries())


def test_who_writes_is_told_by_its_process_saves_nothing_more_and_leaves_no_file(nas, revoked):
    claims = making.claims_object()
    upload = begun(claims, announced(9))
    ours, theirs = socket.socketpair()
    with ours, theirs, writers.writing(upload, ours) as writer:
        revoked(claims)
        [(upload_id, contender)] = writers.contended([upload.id])
        writers.stop(upload_id, contender)
        assert writer.superseded and ours.recv(1) == b""
    with pytest.raises(errors.GrantRevoked):
        receive.receive(upload, making.request_body(b"123456789"), claims, receive.Append(final=True, creating=True))
    assert making.stored_files(nas) == [] and Upload.objects.get().state == "aborted"


def test_a_request_that_waits_to_take_over_is_told_why_it_cannot(revoked):
    claims = making.claims_object()
    upload = begun(claims, announced(9))
    mine = takeover._raise_hand(upload.id)
    revoked(claims)
    found = now_of(upload)
    assert found.contender == mine > found.generation
    with pytest.raises(errors.GrantRevoked):
        takeover.seize(found)


def test_one_that_is_cancelled_at_this_moment_is_no_fault_of_ours(control, grant_token, revoked, monkeypatch):
    token = grant_token()
    upload = begun(verifier().verify(token), announced(9))
    actions.wait(upload)
    seize = takeover.seize

    def seized_and_taken_back(*args):
        found = seize(*args)
        revoked(token)
        return found

    monkeypatch.setattr(takeover, "seize", seized_and_taken_back)
    for status, code in ((423, "upload_in_progress"), (403, "grant_revoked")):
        answer = control("DELETE", f"/u/{upload.id}", token=token)
        assert (answer.status_code, answer.json()["code"]) == (status, code)


@pytest.mark.django_db(transaction=True)
def test_an_upload_that_begins_at_this_moment_is_not_missed(monkeypatch):
    """Its request has looked for revocations already, and its transaction is open still."""
    claims, let_in, go_on, ended = making.claims_object(), threading.Event(), threading.Event(), threading.Event()
    bound = bounds.check

    def slow(*args):
        let_in.set()
        assert go_on.wait(20)
        return bound(*args)

    monkeypatch.setattr(bounds, "check", slow)

    def in_a_thread(call, *args, **more):
        def run():
            try:
                call(*args, **more)
            finally:
                connection.close()
                if call is revoke.take_back:
                    ended.set()

        thread = threading.Thread(target=run)
        thread.start()
        return thread

    begins = in_a_thread(actions.create, claims, announced(10), receiving=True)
    assert let_in.wait(20)
    takes_back = in_a_thread(revoke.take_back, claims.jti)
    assert not ended.wait(0.5), "it waits for the other's turn"
    go_on.set()
    begins.join(20)
    takes_back.join(20)
    assert Upload.objects.get().state == "aborted"


@pytest.mark.parametrize("by", ["grant", "token", "browser"])
def test_a_running_request_is_told_why_it_ends(known_store, tell, by):
    """By grant the upload ends; by browser it waits for the same person, who signs in again, and by token for who renews it."""
    claims = making.claims_object(cnf={"cookie_sha256": BROWSER})
    upload = begun(claims, announced(1000))
    named = {"grant": claims.jti, "token": f"{claims.jti}%3A{claims.iat}", "browser": BROWSER}
    told = {"grant": "grant_revoked", "token": "token_expired", "browser": "token_binding"}
    what = f"{by}={named[by]}"

    class Body:
        length, received, connection, filled = 1000, 0, None, 0

        def fill(self, buffer):
            self.filled += 1
            if self.filled == 2:
                assert tell(f"until={until()}&{what}") == (204, "")
                raise errors.BodyCutOff  # what shutting its socket comes to
            buffer[:4] = b"PK\x03\x04"
            self.received = 4
            return 4

    with pytest.raises(Exception) as caught:
        receive.receive(upload, Body(), claims, receive.Append(final=True, creating=True))
    assert caught.value.code == told[by]
    assert now_of(upload).state == ("aborted" if by == "grant" else "waiting")
    assert known_store.staged_size(upload.id) == (None if by == "grant" else 4)


def test_the_watcher_wakes_a_request_that_waits_for_its_sender(tell):
    claims = making.claims_object()
    upload = begun(claims, announced(1000))
    with (
        writers.writing(upload, None, claims) as mine,
        writers.writing(begun(making.claims_object(), announced(9)), None) as other,
    ):
        tell(f"until={until()}&grant={claims.jti}")
        writers.look_for_refusal(mine, other)
        assert mine.superseded and mine.refusal.code == "grant_revoked"
        assert not other.superseded


def test_a_browser_that_was_signed_out_is_worth_nothing(control, grant_token, tell):
    import base64
    import hashlib

    cookie = "c" * 43
    digest = base64.urlsafe_b64encode(hashlib.sha256(cookie.encode()).digest()).rstrip(b"=").decode()
    token = grant_token(cnf={"cookie_sha256": digest})
    assert control("GET", "/u", token=token, HTTP_X_UPLOAD_BINDING=cookie).status_code == 200
    assert tell(f"until={until()}&browser={digest}") == (204, "")
    refused = control("GET", "/u", token=token, HTTP_X_UPLOAD_BINDING=cookie)
    assert (refused.status_code, refused.json()["code"]) == (401, "token_binding")


GRANT = "01890000-0000-7000-8000-00000000000f"


@pytest.mark.parametrize(
    "query",
    ["", f"grant={GRANT}", "until=5", f"until=x&grant={GRANT}", f"until=-1&grant={GRANT}", f"until=99999999999&grant={GRANT}",
     f"until=5&until=6&grant={GRANT}", "until=5&grant=x", f"until=5&token={GRANT}", f"until=5&token={GRANT}:x",
     "until=5&browser=short", f"until=5&browser={'é' * 43}",
     f"until=5&grant={GRANT}&name=x", "until=5" + f"&grant={GRANT}" * 51],
)  # fmt: skip
def test_what_makes_no_sense_is_refused_whole(tell, query):
    assert tell(query) == (400, "request_malformed")
    assert not Revocation.objects.exists()


def test_only_web_app_revokes(tell):
    assert tell(f"until=5&grant={GRANT}", peer=making.NGINX) == (403, "peer_forbidden")
    assert tell(f"until=5&grant={GRANT}", method="POST") == (405, "method_not_allowed")


def test_it_is_kept_past_the_last_token_and_then_forgotten(tell):
    tell(f"until={until()}&grant={GRANT}")
    tell(f"until={until(-5)}&grant={GRANT}")  # an earlier end said later shortens nothing
    assert heard.forget_old() == 0
    assert Revocation.objects.get().kept_until > timezone.now() + timedelta(seconds=3600)
    Revocation.objects.update(kept_until=timezone.now(), uptime=leases.uptime())
    assert heard.forget_old() == 1


@pytest.mark.parametrize(("boot", "ran", "gone"), [("this", 0, 0), ("another", 60, 0), ("another", leases.CLOCK_MENDED, 1)])
def test_a_clock_that_is_set_forward_revives_no_token(tell, monkeypatch, boot, ran, gone):
    tell(f"until={until()}&grant={GRANT}")
    if boot == "another":
        monkeypatch.setattr(leases, "boot", lambda: "another")
        monkeypatch.setattr(leases, "uptime", lambda: ran)
    later = timezone.now() + timedelta(days=8)
    monkeypatch.setattr(timezone, "now", lambda: later)
    assert heard.forget_old() == gone


def test_recover_ends_what_a_crash_left_under_way(capsys, grant_token):
    from django.core.management import call_command

    claims = making.claims_object()
    upload = begun(claims, announced(10), receiving=False)
    heard.keep(str(claims.jti), timezone.now())
    call_command("recover")
    assert now_of(upload).state == "aborted"
    assert uuid.UUID(heard.among([str(claims.jti)]).pop()) == claims.jti
