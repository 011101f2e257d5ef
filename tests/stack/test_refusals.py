"""Early refusals while the sender still has 300 MiB to go: the problem arrives, every time, and never as a 502.

Without `Expect: 100-continue`, as browsers send: curl pushes the body at once, so the answer has to overtake it.
"""

import contextlib
import urllib.parse
from dataclasses import dataclass

import pytest

from dev.client import Client
from dev.stack import Stack
from tests.curl import bearer, curl
from tests.ietf.speaker import MIME
from tests.nginx.rig import Answer
from tests.tokens import expired, mint
from tests.waiting import wait_for

TRIES = 30
# A hang would be 30 s or more (nginx lingers so long); a busy machine may need more than the usual tenths of a second.
AT_MOST = 10.0


@pytest.fixture(scope="module")
def own(request, tmp_path_factory):
    """A stack that these tests may break: it has a picky collection and one that only web_app knows."""
    with Stack(tmp_path_factory.mktemp("refusals")) as stack:
        stack.create_collection("pictures", "--media-type", "image/*")
        yield stack


@dataclass
class Case:
    token: str
    status: int
    code: str


@contextlib.contextmanager
def expired_token(stack):
    yield Case(expired(stack), 401, "token_expired")


@contextlib.contextmanager
def unknown_collection(stack):
    yield Case(mint(stack, collection="no-such-collection"), 403, "collection_unknown")


@contextlib.contextmanager
def used_token(stack):
    token = mint(stack)
    assert Client(stack.edge_port, stack.keys.edge_ca).put(token, b"first").status == 201
    yield Case(token, 409, "already_committed")


@contextlib.contextmanager
def too_large(stack):
    yield Case(mint(stack, max_size=1000), 413, "too_large")


@contextlib.contextmanager
def wrong_type(stack):
    yield Case(mint(stack, collection="pictures", media_types=["image/*"], max_uploads=100), 415, "type_refused")


@contextlib.contextmanager
def no_space(stack):
    token = mint(stack)
    stack.stop_process("control")
    # It will not call itself ready, so what is waited for is an answer of any kind.
    stack.start_process("control", {"UPLOAD_SPACE_RESERVE": str(1 << 60)}, wait=False)
    wait_for(lambda: curl(stack, "/u", *bearer(token)).status == 200)
    try:
        yield Case(token, 507, "no_space")
    finally:
        stack.restart("control")


@contextlib.contextmanager
def absent_nas(stack):
    sentinel = stack.nas / ".sluice-store"
    away = sentinel.rename(stack.nas / "moved-away")
    try:
        yield Case(mint(stack), 503, "store_unavailable")
    finally:
        away.rename(sentinel)


CASES = [expired_token, unknown_collection, used_token, too_large, wrong_type, no_space, absent_nas]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.__name__)
def test_curl_gets_the_problem_every_time_while_300_mib_are_still_to_be_sent(own, big_file, case, capsys):
    answers = []
    with case(own) as expected:
        for _ in range(TRIES):
            answer = curl(own, "/u", "-T", str(big_file), *bearer(expected.token), "-H", "Expect:", time_limit=AT_MOST)
            answers.append(answer)
    told = [(answer.status, answer.json()["code"] if answer.body else None) for answer in answers]
    assert told == [(expected.status, expected.code)] * TRIES
    assert all(answer.headers["content-type"] == "application/problem+json" for answer in answers)
    with capsys.disabled():
        print(f"\n  {expected.code}: {TRIES} of {TRIES}, slowest {max(a.seconds for a in answers):.2f} s", end="")


@pytest.mark.parametrize("case", [expired_token, too_large, used_token], ids=lambda case: case.__name__)
def test_with_expect_100_continue_no_body_byte_is_sent_at_all(own, big_file, case):
    with case(own) as expected:
        # Left alone curl waits one second for the go-ahead, and a busy machine may take longer than that to refuse.
        patient = ("-H", "Expect: 100-continue", "--expect100-timeout", "30")
        answers = [curl(own, "/u", "-T", str(big_file), *bearer(expected.token), *patient) for _ in range(TRIES)]
    told = [(answer.status, answer.json()["code"], answer.uploaded) for answer in answers]
    assert told == [(expected.status, expected.code, 0)] * TRIES


NOT_THE_FILE = {
    "Content-Range: bytes 0-99/314572800": "partial_body",
    "X-Update-Range: append": "partial_body",
    "Content-Type: application/x-www-form-urlencoded": "envelope_refused",
    "Content-Encoding: gzip": "coding_refused",
}


def test_of_what_says_that_it_is_not_the_file_no_byte_is_sent_and_the_answer_holds_the_right_line(own, big_file):
    """And the permission is as good as before."""
    token = mint(own)
    patient = ("-H", "Expect: 100-continue", "--expect100-timeout", "30")
    for said, code in NOT_THE_FILE.items():
        answer = curl(own, "/u", "-T", str(big_file), *bearer(token), "-H", said, *patient)
        assert (answer.json()["code"], answer.uploaded) == (code, 0)
        assert "curl -T FILE URL" in answer.json()["detail"]
    # curl waits for the answer before it sends a form only if it is told to; it comes as early.
    for method in ("POST", "PUT"):
        answer = curl(own, "/u", "-X", method, "-F", f"file=@{big_file}", *bearer(token), *patient)
        assert (answer.status, answer.json()["code"], answer.uploaded) == (415, "envelope_refused", 0)
    assert curl(own, "/u", *bearer(token)).json()["state"] == "unused"


def test_behind_a_slash_curl_names_the_file_and_the_answer_names_the_slash(own, big_file, tmp_path):
    named = tmp_path / "Müller scan.zip"
    named.write_bytes(b"hello")
    token = mint(own)
    for path in ("/u/", f"/u/{token}/"):
        answer = curl(own, path, "-T", str(named), *bearer(token))
        assert (answer.status, answer.json()["code"]) == (404, "trailing_slash")
        assert "slash" in answer.json()["detail"] and "scan" not in answer.body.decode()
    logs = b"".join(path.read_bytes() for path in (own.prefix / "logs").iterdir())
    assert b"trailing_slash" in logs and b"scan.zip" not in logs


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.__name__)
def test_the_small_request_first_meets_the_same_problem_as_the_put(own, case):
    with case(own) as expected:
        answer = curl(
            own,
            "/u/check",
            *("--data-binary", "plain words", "-H", "Upload-Length: 314572800"),
            *("-H", "Content-Type: application/octet-stream"),
            *bearer(expected.token),
        )
    assert (answer.status, answer.json()["code"]) == (expected.status, expected.code)


@pytest.mark.parametrize("chunked", [False, True], ids=["sized", "chunked"])
@pytest.mark.parametrize("size", [5, 20_000, 50_000, 200_000])
@pytest.mark.parametrize(
    ("wrong", "status"),
    [({"Upload-Offset": "7"}, 409), ({"Content-Type": "text/plain"}, 415), ({"Upload-Offset": "x"}, 400)],
)
def test_a_connection_that_is_not_said_to_close_takes_the_next_request(own, chunked, size, wrong, status):
    """RFC 9112, section 9.6. nginx closes one whose request it has not read to its end, whatever it has just said of it."""
    client = Client(own.edge_port, own.keys.edge_ca)
    path = f"/u/{mint(own)}"
    created = client.send("POST", path, [], 0, {"Upload-Complete": "?0"})
    target = urllib.parse.urlsplit(created.headers["Location"]).path
    said = {"Host": f"localhost:{own.edge_port}", "Upload-Offset": "0", "Upload-Complete": "?0", "Content-Type": MIME} | wrong
    body = b"%x\r\n%b\r\n0\r\n\r\n" % (size, bytes(size)) if chunked else bytes(size)
    said |= {"Transfer-Encoding": "chunked"} if chunked else {"Content-Length": str(size)}
    head = "".join(f"{name}: {value}\r\n" for name, value in said.items())
    request = f"PATCH {target} HTTP/1.1\r\n{head}\r\n".encode() + body
    with client.context.wrap_socket(client.connect(), server_hostname="localhost") as wire:
        for _ in range(TRIES):
            wire.sendall(request)
            answer = Answer.read(wire)
            assert (answer.status, answer.header("Connection")) == (status, "keep-alive")


def test_the_state_of_a_grant_names_its_last_refusal(own, big_file):
    token = mint(own, max_size=1000)
    curl(own, "/u", "-T", str(big_file), *bearer(token), "-H", "Expect:")
    state = curl(own, "/u", *bearer(token)).json()
    assert (state["state"], state["problem"]["code"]) == ("unused", "too_large")


def test_nothing_is_stored_of_what_was_refused(own):
    assert own.staged() == []
    assert list(own.nas.glob("collections/pictures/*/*/*")) == []
