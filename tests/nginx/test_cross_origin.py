"""Pages of other origins: only those that site.conf lists, only under /u, never with cookies (ADR 0012)."""

import re

import pytest

from tests.docs import test_upload_api as api
from tests.nginx.rig import TOKEN, UPLOAD, Rig

LISTED, OTHER_LISTED = "https://trials.example.org", "http://127.0.0.1:8080"
PREFLIGHT = {"Access-Control-Request-Method": "PATCH", "Access-Control-Request-Headers": "tus-resumable,upload-offset"}

# Set by every browser by itself, or not for a script to set.
BY_THE_BROWSER = {"Cookie", "Content-Length", "Transfer-Encoding", "Trailer", "Origin", "Access-Control-Request-Method"}
# The fetch standard lets a script read these from any answer that it may read at all.
SAFELISTED = {"Cache-Control", "Content-Length", "Content-Type"}
FOR_THE_BROWSER = {"Vary"}
# Clients bring these along; nothing looks at them, but a browser asks.
UNREAD = {"Upload-Draft-Interop-Version", "Want-Repr-Digest", "X-Request-ID", "X-Requested-With"}

NOT_LISTED = [
    "null",
    "https://elsewhere.example",
    "http://trials.example.org",
    "https://trials.example.org:8443",
    "https://trials.example.org/",
    "https://trials.example.org.elsewhere.example",
    "https://trials.example.orgy",
    "https://a.trials.example.org",
    "https://xtrials.example.org",
    "https://elsewhere.example,https://trials.example.org",
    "https://trials.example.org https://elsewhere.example",
    "https://trials_example.org",
    "*",
    "default",
    "1",
    "",
]


@pytest.fixture(scope="session")
def listing_rig(binary, pki, tmp_path_factory):
    with Rig(tmp_path_factory.mktemp("origins"), binary, pki, origins=(LISTED, OTHER_LISTED)) as made:
        yield made


@pytest.fixture
def open_rig(listing_rig):
    listing_rig.reset()
    return listing_rig


def cors(answer) -> dict[str, str]:
    found = [(name, value) for name, value in answer.headers if name.startswith("access-control-")]
    assert len(found) == len(dict(found)), "a header was sent twice"
    return dict(found)


def words(value: str) -> set[str]:
    assert re.fullmatch(r"[A-Za-z0-9-]+(, [A-Za-z0-9-]+)*", value)
    return set(value.split(", "))


@pytest.mark.parametrize("origin", [LISTED, OTHER_LISTED])
@pytest.mark.parametrize("path", ["/u", f"/u/{TOKEN}", f"/u/{TOKEN}/{UPLOAD}", f"/u/{UPLOAD}", "/u/check"])
def test_a_preflight_of_a_listed_origin_is_answered_at_the_door(open_rig, path, origin):
    answer = open_rig.ask("OPTIONS", path, {"Origin": origin, **PREFLIGHT})
    assert (answer.status, answer.body) == (204, b"")
    assert cors(answer).pop("access-control-allow-origin") == origin
    assert (answer.header("Vary"), answer.header("Tus-Version")) == ("Origin", "1.0.0")
    assert open_rig.control.requests == open_rig.uploads.requests == open_rig.web.requests == []


def test_a_preflight_allows_every_verb_and_header_of_the_documentation(open_rig):
    found = cors(open_rig.ask("OPTIONS", f"/u/{TOKEN}", {"Origin": LISTED, **PREFLIGHT}))
    assert words(found["access-control-allow-methods"]) == set().union(*api.verbs().values()) - {"OPTIONS"}
    assert words(found["access-control-allow-headers"]) == api.of_requests() - BY_THE_BROWSER | UNREAD
    assert int(found["access-control-max-age"]) <= 7200


def test_a_page_may_read_every_header_of_the_documentation(open_rig):
    found = cors(open_rig.ask("GET", f"/u/{TOKEN}", {"Origin": LISTED}))
    told = {name for name in api.documented("Of answers") if not name.startswith("Access-Control-")}
    assert found.keys() == {"access-control-allow-origin", "access-control-expose-headers"}
    assert words(found["access-control-expose-headers"]) == told - SAFELISTED - FOR_THE_BROWSER


@pytest.mark.parametrize("origin", NOT_LISTED)
def test_an_origin_that_is_not_listed_gets_nothing(open_rig, origin):
    preflight = open_rig.ask("OPTIONS", f"/u/{TOKEN}", {"Origin": origin, **PREFLIGHT})
    proper = open_rig.ask("PUT", f"/u/{TOKEN}", {"Origin": origin}, b"12345")
    assert cors(preflight) == cors(proper) == {}
    assert preflight.header("Vary") == proper.header("Vary") == "Origin"
    # It is an OPTIONS like any other, as those send it that do not live in a browser.
    assert [seen.target for seen in open_rig.control.requests] == ["/authorize", "/u", "/authorize"]


@pytest.mark.parametrize("origin", [LISTED, "null", "https://elsewhere.example"])
def test_the_files_as_they_come_list_no_origin(rig, origin):
    for method, more in (("OPTIONS", PREFLIGHT), ("GET", {}), ("HEAD", {})):
        assert cors(rig.ask(method, f"/u/{TOKEN}", {"Origin": origin, **more})) == {}


@pytest.mark.parametrize("target", ["/", "/api/v1/uploads", "/accounts/login/", "/static/app.js", "/ux", "/a//b"])
@pytest.mark.parametrize("method", ["GET", "POST", "OPTIONS"])
def test_web_app_stays_with_its_own_pages(open_rig, method, target):
    answer = open_rig.ask(method, target, {"Origin": LISTED, **PREFLIGHT})
    assert cors(answer) == {}
    assert answer.header("Vary") is None


@pytest.mark.parametrize("code", ["token_expired", "too_large", "wrong_offset", "draining", "no_space"])
def test_a_listed_page_can_read_a_refusal(open_rig, code):
    open_rig.refuse(code)
    answer = open_rig.ask("PATCH", f"/u/{TOKEN}/{UPLOAD}", {"Origin": LISTED}, b"12345")
    assert answer.code() == code
    assert cors(answer)["access-control-allow-origin"] == LISTED


@pytest.mark.parametrize("target", [f"/u/{TOKEN}/", f"/u/{TOKEN}?x", "/u/"])
def test_a_listed_page_can_read_what_nginx_refuses_by_itself(open_rig, target):
    answer = open_rig.ask("PATCH", target, {"Origin": LISTED})
    assert (answer.status, cors(answer)["access-control-allow-origin"]) == (404, LISTED)


@pytest.mark.parametrize("status", [201, 409, 500])
def test_a_listed_page_can_read_what_services_app_answers(open_rig, status):
    open_rig.uploads.answers["/u"] = (status, {"Access-Control-Allow-Origin": "*", "Location": "/u/x"}, b"{}")
    answer = open_rig.ask("POST", f"/u/{TOKEN}", {"Origin": LISTED}, b"12345")
    assert answer.status == status
    assert cors(answer)["access-control-allow-origin"] == LISTED


def test_nobody_is_ever_asked_to_bring_cookies(open_rig):
    for method, more in (("OPTIONS", PREFLIGHT), ("GET", {})):
        answer = open_rig.ask(method, f"/u/{TOKEN}", {"Origin": LISTED, "Cookie": "sessionid=1", **more})
        assert "access-control-allow-credentials" not in cors(answer)


def test_an_options_that_is_no_preflight_goes_on_to_services_app(open_rig):
    open_rig.ask("OPTIONS", f"/u/{TOKEN}", {"Origin": LISTED})
    assert [seen.target for seen in open_rig.control.requests] == ["/authorize", "/u"]


def test_a_preflight_of_what_does_not_exist_is_refused(open_rig):
    assert open_rig.ask("OPTIONS", f"/u/{TOKEN}/x/y", {"Origin": LISTED, **PREFLIGHT}).status == 404
