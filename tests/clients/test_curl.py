"""curl: a PUT, and one that was cut off and is finished by HEAD and PATCH, as docs/upload-api.md tells a person to do it."""

import base64
import hashlib
import json
import signal
import subprocess

import pytest

from tests.clients.conftest import SIZE
from tests.curl import bearer, curl
from tests.waiting import wait_for

TUS = ("Tus-Resumable: 1.0.0", "Content-Type: application/offset+octet-stream")
IETF = ("Upload-Complete: ?1", "Content-Type: application/partial-upload")


def headers(*fields: str) -> list[str]:
    return [part for field in fields for part in ("--header", field)]


def cut_off(place, file) -> str:
    """Kill a curl in the middle of its PUT; returns the path of the upload that it leaves."""
    sender = slow_put(place, file)
    upload = place.wait_until_taken(SIZE // 4)
    sender.kill()
    sender.wait()
    return f"/u/{upload['upload_id']}"


def slow_put(place, file) -> subprocess.Popen:
    return subprocess.Popen(
        ["curl", "-q", "--silent", "--cacert", str(place.stack.keys.edge_ca), "--limit-rate", "16M"]
        + ["--upload-file", str(file), *bearer(place.token), place.stack.url + "/u"],
        stdout=subprocess.DEVNULL,
    )


def part(token: str, number: int) -> bytes:
    """Of a compact JWS."""
    segment = token.split(".")[number]
    return base64.urlsafe_b64decode(segment + "=" * (-len(segment) % 4))


def rest_of(file, offset: int, tmp_path) -> str:
    rest = tmp_path / "rest"
    rest.write_bytes(file.read_bytes()[offset:])
    return f"@{rest}"


@pytest.mark.parametrize("how", ["length", "chunked"])
def test_a_put_is_stored(own, place, file, how):
    options = headers("Transfer-Encoding: chunked") if how == "chunked" else []
    answer = curl(own, "/u", *bearer(place.token), "--upload-file", str(file), *options)
    assert answer.status == 201
    place.assert_stored_once(file)


@pytest.mark.parametrize("fields", [TUS, IETF], ids=["tus", "IETF"])
def test_a_put_that_was_cut_off_is_finished_at_the_offset(own, place, file, tmp_path, fields):
    path = cut_off(place, file)
    state = curl(own, path, *bearer(place.token), "--head")
    offset = int(state.headers["upload-offset"])
    assert (state.status, SIZE // 4 <= offset < SIZE) == (200, True)
    patch = ["--request", "PATCH", *headers(*fields, f"Upload-Offset: {offset}")]
    answer = curl(own, path, *bearer(place.token), *patch, "--data-binary", rest_of(file, offset, tmp_path))
    assert answer.status in (201, 204)
    assert place.only_upload()["state"] == "committed"
    place.assert_stored_once(file)


def test_a_form_is_refused_whatever_type_its_sender_gives_it(own, place, file):
    """With a type of its own curl writes no `form-data` into the parts, only `attachment`."""
    form = ("-X", "PUT", *headers("Content-Type: application/zip"), "-F", f"file=@{file}")
    answer = curl(own, "/u", *bearer(place.token), *form)
    assert (answer.status, answer.json()["code"]) == (415, "envelope_refused")
    place.assert_stored_once()


def test_going_on_at_the_wrong_offset_keeps_the_bytes_and_says_the_right_one(own, place, file, tmp_path):
    path = cut_off(place, file)
    offset = int(curl(own, path, *bearer(place.token), "--head").headers["upload-offset"])
    patch = ["--request", "PATCH", *bearer(place.token)]
    wrong = [
        *patch,
        *headers(*TUS, f"Upload-Offset: {offset - 1}"),
        "--data-binary",
        rest_of(file, offset - 1, tmp_path),
    ]
    refused = curl(own, path, *wrong)
    assert (refused.status, refused.headers["upload-offset"]) == (409, str(offset))
    right = [*patch, *headers(*TUS, f"Upload-Offset: {offset}"), "--data-binary", rest_of(file, offset, tmp_path)]
    assert curl(own, path, *right).status == 204
    place.assert_stored_once(file)


def test_curl_goes_on_by_itself_at_the_offset_that_the_answer_names(own, place, file):
    """`curl -C OFFSET -T FILE URL` and nothing else: ADR 0014."""
    cut_off(place, file)
    offset = wait_for(lambda: place.only_upload()["state"] == "waiting" and place.only_upload()["offset"])
    again = ("-T", str(file), *bearer(place.token), "-H", "Expect: 100-continue", "--expect100-timeout", "30")
    wrong = curl(own, "/u", "-C", str(offset - 1), *again)
    assert (wrong.status, wrong.uploaded, wrong.headers["upload-offset"]) == (409, 0, str(offset))
    assert wrong.json()["expected-offset"] == offset and "curl -C OFFSET -T FILE URL" in wrong.json()["detail"]
    other = curl(own, "/u", "-C", str(offset), *again, *headers('Content-Disposition: attachment; filename="other.bin"'))
    assert (other.status, other.uploaded, other.json()["code"]) == (400, 0, "partial_body")
    assert place.only_upload()["offset"] == offset
    answer = curl(own, "/u", "-C", str(wrong.json()["expected-offset"]), *again)
    assert (answer.status, answer.uploaded) == (201, SIZE - offset)
    assert answer.json()["sha256"] == hashlib.sha256(file.read_bytes()).hexdigest()
    assert json.loads(part(answer.json()["receipt"], 1))["sha256"] == answer.json()["sha256"]
    place.assert_stored_once(file)


def test_the_rest_from_another_place_leaves_a_request_that_still_sends_alone(own, place, file):
    sender = slow_put(place, file)
    try:
        place.wait_until_taken(SIZE // 4)
        patient = ("-H", "Expect: 100-continue", "--expect100-timeout", "30")
        refused = curl(own, f"/u/{place.token}", "-C", "7", "-T", str(file), *patient)
        assert (refused.status, refused.uploaded, refused.json()["code"]) == (409, 0, "wrong_offset")
        assert SIZE // 4 <= int(refused.headers["upload-offset"]) <= SIZE
        assert sender.wait(60) == 0
    finally:
        sender.kill()
        sender.wait()
    place.assert_stored_once(file)


def test_the_rest_in_a_url_with_the_token_takes_over_from_a_request_whose_sender_fell_silent(own, place, file):
    sender = slow_put(place, file)
    path = f"/u/{place.token}"

    def goes_on() -> bool:
        refused = curl(own, path, "-C", "7", "-T", str(file))
        assert refused.status == 409
        return curl(own, path, "-C", refused.headers["upload-offset"], "-T", str(file)).status == 201

    try:
        place.wait_until_taken(SIZE // 4)
        sender.send_signal(signal.SIGSTOP)
        wait_for(goes_on)  # what nginx still holds comes first
    finally:
        sender.kill()
        sender.wait()
    place.assert_stored_once(file)


def test_a_resume_at_an_unknown_place_is_the_whole_file(own, place, file):
    """`curl -C - -T FILE` names the whole file as its range."""
    assert curl(own, "/u", *bearer(place.token), "-C", "-", "-T", str(file)).status == 201
    place.assert_stored_once(file)


def test_the_same_put_again_begins_anew_and_stores_one_object(own, place, file):
    cut_off(place, file)
    wait_for(lambda: place.only_upload()["state"] == "waiting")  # until then it is 423
    assert curl(own, "/u", *bearer(place.token), "--upload-file", str(file)).status == 201
    place.assert_stored_once(file)


def test_a_length_that_comes_last_and_alone_completes_the_upload(own, place, file):
    """tus, creation-defer-length: the sender of a stream may learn its end only after the last byte went out."""
    post = ["--request", "POST", *bearer(place.token), *headers("Tus-Resumable: 1.0.0", "Upload-Defer-Length: 1")]
    location = curl(own, "/u", *post).headers["location"]
    path = location.removeprefix(own.url)
    patch = ["--request", "PATCH", *bearer(place.token)]
    first = curl(own, path, *patch, *headers(*TUS, "Upload-Offset: 0"), "--data-binary", f"@{file}")
    assert (first.status, first.headers["upload-offset"]) == (204, str(SIZE))
    last = curl(
        own, path, *patch, *headers(*TUS, f"Upload-Offset: {SIZE}", f"Upload-Length: {SIZE}"), "--data-binary", ""
    )
    assert (last.status, last.headers["upload-offset"]) == (204, str(SIZE))
    place.assert_stored_once(file)
