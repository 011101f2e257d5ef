"""`GET /u/names`: what a person's uploads are called, for the browser that a names token is bound to (docs/upload-api.md)."""

import hashlib
import time

import pytest
from django.db import connection

from services_app.revocations import heard
from services_app.tokens import errors
from services_app.tokens.names import MAX_IDS, NamesClaims
from services_app.tokens.verify import TokenVerifier
from services_app.uploads.models import Grant, Upload
from services_app.uploads.policies import NAMED_OF_GRANT
from services_app.uploads.wire import shares
from tests.services_app import making
from tests.services_app.making import a_zip

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("known_store")]

COOKIE = "c" * 43
CNF = {"cookie_sha256": making.cookie_sha256(COOKIE)}
BOUND = {"HTTP_X_UPLOAD_BINDING": COOKIE}
NAME = "Müller Änne 1951.zip"
NAMED = {"HTTP_CONTENT_DISPOSITION": "attachment; filename*=UTF-8''M%C3%BCller%20%C3%84nne%201951.zip"}
AHEAD = {"HTTP_UPLOAD_COMPLETE": "?0", "HTTP_UPLOAD_LENGTH": "1000000", "CONTENT_TYPE": "application/partial-upload"}


@pytest.fixture
def names_token(token_key):
    """A function: a names token that is good now, with some claims changed; `typ` and the like go to its header."""

    def make(header=None, **changed):
        now = int(time.time())
        claims = {
            "iss": making.ISSUER,
            "aud": f"{making.AUDIENCE}/names",
            "iat": now,
            "nbf": now,
            "exp": now + 300,
            "sub": "u_42",
            "grants": [],
            "uploads": [],
            "cnf": CNF,
            **changed,
        }
        kept = {name: value for name, value in claims.items() if value is not None}
        return making.sign(token_key, kept, **{"typ": "upload-names+jwt", **(header or {})})

    return make


@pytest.fixture
def stored(uploads, grant_token):
    """A file of u_42's that is stored."""
    assert uploads("PUT", "/u", token=grant_token(), body=a_zip(), **NAMED).status_code == 201
    return Upload.objects.get()


@pytest.fixture
def begun(uploads, grant_token):
    """One of which 5 bytes are there."""
    assert uploads("POST", "/u", token=grant_token(), body=b"12345", **NAMED, **AHEAD).status_code == 201
    return Upload.objects.get()


def answer_to(control, token, **more):
    answer = control("GET", "/u/names", token=token, **{**BOUND, **more})
    return answer.status_code, answer.json()


def test_a_stored_upload_is_told_by_its_id_with_name_and_size(control, stored, names_token):
    status, told = answer_to(control, names_token(uploads=[str(stored.id)]))
    assert status == 200 and told == {
        "uploads": [
            {
                "upload_id": str(stored.id),
                "grant": str(stored.grant_id),
                "collection": making.COLLECTION,
                "name": NAME,
                "state": "committed",
                "standing": "stored",
                "offset": len(a_zip()),
                "length": len(a_zip()),
                "received_at": told["uploads"][0]["received_at"],
                "expires_at": None,
                "folder": None,
            }
        ]
    }


def test_an_unfinished_one_is_told_by_its_grant_with_what_is_safe_and_its_end(control, begun, names_token):
    (told,) = answer_to(control, names_token(grants=[str(begun.grant_id)]))[1]["uploads"]
    assert (told["name"], told["state"], told["offset"], told["length"]) == (NAME, "waiting", 5, 1_000_000)
    assert told["expires_at"] > told["received_at"]


def test_of_a_grant_the_newest_few_are_told_and_no_stored_ones(control, begun, names_token):
    for _ in range(7):
        Upload.objects.create(
            grant=begun.grant, protocol="tus", lease_until=begun.lease_until, received_at=begun.received_at,
            expires_at=begun.expires_at, safe_name="x",
        )  # fmt: skip
    told = answer_to(control, names_token(grants=[str(begun.grant_id)]))[1]["uploads"]
    assert [each["upload_id"] for each in told] == [str(i) for i in Upload.objects.order_by("-id").values_list("id", flat=True)[:5]]


def test_fifty_grants_are_asked_about_in_as_few_statements_as_one(control, begun, names_token, django_assert_max_num_queries):
    token = names_token(grants=[str(begun.grant_id), *(making.uuid7() for _ in range(MAX_IDS - 1))])
    with django_assert_max_num_queries(5):
        assert answer_to(control, token)[0] == 200


def test_what_names_cost_does_not_grow_with_what_has_ended(control, begun, names_token):
    """Fifty grants with a thousand ended uploads each took 2 to 4 s."""
    at = {"lease_until": begun.lease_until, "received_at": begun.received_at, "expires_at": begun.expires_at}

    def cost(ended: int) -> float:
        """Seconds, for twenty grants with so many each."""
        made = [Grant(id=making.uuid7(), sub="u_42", collection="x", expires_at=begun.expires_at) for _ in range(20)]
        for grant in Grant.objects.bulk_create(made):
            rows = (Upload(grant=grant, protocol="tus", state="aborted", safe_name="n" * 200, **at) for _ in range(ended))
            Upload.objects.bulk_create(rows, batch_size=500)
        if connection.vendor == "postgresql":
            connection.cursor().execute("ANALYZE uploads_upload, uploads_grant")  # as it does by itself after a while
        token, spent = names_token(grants=[str(grant.id) for grant in made]), []
        for _ in range(5):
            began = time.perf_counter()
            assert len(answer_to(control, token)[1]["uploads"]) == 20 * NAMED_OF_GRANT
            spent.append(time.perf_counter() - began)
        return min(spent)

    assert cost(600) < 3 * cost(6)


def test_names_need_a_share_of_what_takes_its_time(control, stored, names_token, settings, monkeypatch):
    settings.CONTROL_THREADS = 4
    monkeypatch.setattr(shares.unhurried, "_held", shares.Counter({"u_42": 1}))
    answers = [answer_to(control, names_token(uploads=[str(stored.id)], sub=sub)) for sub in ("u_42", "u_43")]
    assert [status for status, _ in answers] == [429, 200] and answers[0][1]["code"] == "share_taken"


def test_what_is_not_the_persons_is_not_told_whatever_ids_the_token_lists(control, stored, names_token):
    asked = {"uploads": [str(stored.id), making.uuid7()], "grants": [str(stored.grant_id)]}
    assert answer_to(control, names_token(sub="u_43", **asked)) == (200, {"uploads": []})
    assert len(answer_to(control, names_token(**asked))[1]["uploads"]) == 1


def test_to_a_collections_coordinator_what_anybody_sent_there_is_told_and_nothing_else(control, uploads, stored, grant_token, names_token):
    assert uploads("PUT", "/u", token=grant_token(sub="u_43"), body=a_zip(), **NAMED).status_code == 201
    asked = {"uploads": [str(each.id) for each in Upload.objects.all()], "grants": [str(stored.grant_id)], "sub": "u_of_a_coordinator"}
    told = answer_to(control, names_token(collection=making.COLLECTION, **asked))[1]["uploads"]
    assert sorted(each["upload_id"] for each in told) == sorted(asked["uploads"]) and {each["name"] for each in told} == {NAME}
    for other in ({"collection": "another"}, {"collection": "another", "sub": "u_42"}, {}):
        assert answer_to(control, names_token(**asked | other)) == (200, {"uploads": []})


@pytest.mark.parametrize(
    ("code", "changed", "header"),
    [
        ("token_type", {}, {"typ": "upload+jwt"}),
        ("token_audience", {"aud": making.AUDIENCE}, {}),
        ("token_issuer", {"iss": "https://other.example"}, {}),
        ("token_expired", {"exp": 5}, {}),
        ("token_expired", {"iat": int(time.time()) - 700, "exp": int(time.time()) + 9000}, {}),
        ("token_not_yet_valid", {"nbf": int(time.time()) + 86400}, {}),
        ("token_claims", {"cnf": None}, {}),
        ("token_claims", {"sub": None}, {}),
        ("token_claims", {"uploads": None}, {}),
        ("token_claims", {"uploads": []}, {}),
        ("token_claims", {"uploads": ["x"]}, {}),
        ("token_claims", {"uploads": [making.uuid7()] * 2}, {}),
        ("token_claims", {"uploads": [making.uuid7() for _ in range(MAX_IDS)], "grants": [making.uuid7()]}, {}),
        ("token_claims", {"max_size": 5}, {}),
        *(("token_claims", {"collection": wrong}, {}) for wrong in ("", "Not-a-slug", 5, ["x"], "c" * 64)),
    ],
)
def test_any_other_token_is_refused_by_the_question_and_at_the_door(control, names_token, code, changed, header):
    token = names_token(header, **{"uploads": [making.uuid7()], **changed})
    assert answer_to(control, token)[0] == 401 and answer_to(control, token)[1]["code"] == code
    door = control("GET", "/authorize", token=token, HTTP_X_UPLOAD_METHOD="GET", HTTP_X_UPLOAD_PATH="/names", **BOUND)
    assert (door.status_code, door["X-Upload-Verdict"]) == (403, code)


def test_neither_kind_of_token_is_taken_for_the_other(control, uploads, names_token, grant_token, begun):
    names, upload = names_token(grants=[str(begun.grant_id)]), grant_token(cnf=CNF)
    assert answer_to(control, upload)[1]["code"] == "token_type"
    asked = [("GET", "/u"), ("HEAD", f"/u/{begun.id}"), ("POST", "/u/check"), ("DELETE", f"/u/{begun.id}")]
    answers = [control(*each, token=names, **BOUND) for each in asked]
    answers += [uploads("PUT", "/u", token=names, body=b"x", **BOUND), uploads("POST", "/u", token=names, body=b"x", **BOUND)]
    assert [answer.status_code for answer in answers] == [401] * 6
    for path in ("/", "/check", f"/{begun.id}"):
        door = control("GET", "/authorize", token=names, HTTP_X_UPLOAD_METHOD="GET", HTTP_X_UPLOAD_PATH=path, **BOUND)
        assert door["X-Upload-Verdict"] == "token_type", path


@pytest.mark.parametrize("cookie", ["", "d" * 43])
def test_without_the_browsers_cookie_a_token_is_worth_nothing(control, stored, names_token, cookie):
    token = names_token(uploads=[str(stored.id)])
    assert answer_to(control, token, HTTP_X_UPLOAD_BINDING=cookie)[1]["code"] == "token_binding"


def test_after_signing_out_nothing_is_told(control, stored, names_token):
    token = names_token(uploads=[str(stored.id)])
    assert answer_to(control, token)[0] == 200
    heard.keep(CNF["cookie_sha256"], heard.moment(int(time.time()) + 300))
    assert answer_to(control, token)[1]["code"] == "token_binding"


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "HEAD"])
def test_there_is_get_and_nothing_else(control, stored, names_token, method):
    answer = control(method, "/u/names", token=names_token(uploads=[str(stored.id)]), **BOUND)
    assert answer.status_code == 405 and answer["Allow"] == "GET"


def test_names_are_questions_like_others_and_counted_by_person(control, stored, names_token, settings):
    settings.QUESTIONS_PER_PERSON = 1
    token = names_token(uploads=[str(stored.id)], sub="u_names_counted")
    assert [answer_to(control, token)[0] for _ in range(6)][-1] == 429


def test_a_token_of_as_many_ids_as_may_be_is_within_the_limit_of_a_token(token_key, names_token):
    token = names_token(uploads=[making.uuid7() for _ in range(MAX_IDS)], sub="s" * 64, collection="c" * 63)
    verifier = TokenVerifier([making.public(token_key)], making.ISSUER, making.AUDIENCE, 600, NamesClaims)
    assert len(verifier.verify(token).uploads) == MAX_IDS
    with pytest.raises(errors.TokenType):
        TokenVerifier([making.public(token_key)], making.ISSUER, making.AUDIENCE).verify(token)


def test_what_is_safe_of_an_upload_that_waits_is_told_by_its_digest_to_compare_a_file_by(control, uploads, grant_token):
    token = grant_token()
    uploads("POST", "/u", token=token, body=b"12345", **AHEAD)
    upload = Upload.objects.get()
    told = [control("GET", "/u", token=token).json()["uploads"][0]["sha256_of_offset"]]
    more = {"HTTP_UPLOAD_OFFSET": "5", "HTTP_UPLOAD_COMPLETE": "?0", "CONTENT_TYPE": "application/partial-upload"}
    assert uploads("PATCH", f"/u/{upload.id}", token=token, body=b"678", **more).status_code == 204
    told.append(control("GET", f"/u/{upload.id}", token=token).json()["sha256_of_offset"])
    assert told == [hashlib.sha256(part).hexdigest() for part in (b"12345", b"12345678")]


def test_of_what_is_stored_the_digest_of_the_whole_is_told_alone(control, uploads, grant_token):
    token = grant_token()
    uploads("PUT", "/u", token=token, body=a_zip())
    (told,) = control("GET", "/u", token=token).json()["uploads"]
    assert told["sha256_of_offset"] is None and told["sha256"] == hashlib.sha256(a_zip()).hexdigest()
