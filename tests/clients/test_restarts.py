"""A restart of any process of ours is a pause for a client that tries again: it ends in the upload that it began."""

import pytest

from tests.clients.conftest import SIZE, SLOW
from tests.clients.test_curl import headers
from tests.clients.test_tus_js_client import PATIENT
from tests.curl import bearer, curl


def start_again(stack, *names: str) -> None:
    for name in names:
        stack.start_process(name, wait=False)
    stack.wait_until_healthy(*names)


KILLED = [("uploads",), ("control",), ("uploads", "control"), ("nginx",)]


@pytest.mark.parametrize("names", KILLED, ids=" and ".join)
def test_tus_js_client_goes_on_after_a_kill(tus_js, own, place, line, file, names):
    line.rate = SLOW
    with tus_js(file=str(file), options={"endpoint": place.url, "retryDelays": PATIENT}) as client:
        url = client.event("url")["url"]
        place.wait_until_taken(SIZE // 3)
        for name in names:
            own.kill(name)
        line.rate = None
        start_again(own, *names)
        assert client.event("done")["url"] == url
    assert place.only_upload()["state"] == "committed"
    place.assert_stored_once(file)


@pytest.mark.parametrize("names", KILLED, ids=" and ".join)
def test_tuspy_goes_on_after_a_kill(python_client, own, place, line, file, names):
    line.rate = SLOW
    plan = {"endpoint": place.url, "file": str(file), "options": {"retries": 20, "retry_delay": 1}}
    with python_client("tuspy_upload", **plan) as client:
        place.wait_until_taken(SIZE // 3)
        for name in names:
            own.kill(name)
        line.rate = None
        start_again(own, *names)
        client.event("done")
    assert place.only_upload()["state"] == "committed"
    place.assert_stored_once(file)


@pytest.mark.parametrize("names", KILLED, ids=" and ".join)
def test_aiotus_goes_on_after_a_kill(python_client, own, place, line, file, names):
    line.rate = SLOW
    with python_client("aiotus_upload", endpoint=place.url, files=[str(file)], chunk=SIZE) as client:
        place.wait_until_taken(SIZE // 3)
        for name in names:
            own.kill(name)
        line.rate = None
        start_again(own, *names)
        client.event("done")
    assert place.only_upload()["state"] == "committed"
    place.assert_stored_once(file)


def test_tus_js_client_goes_on_after_an_orderly_restart_of_nginx(tus_js, own, place, line, file):
    line.rate = SLOW
    with tus_js(file=str(file), options={"endpoint": place.url, "retryDelays": PATIENT}) as client:
        url = client.event("url")["url"]
        place.wait_until_taken(SIZE // 3)
        line.rate = None
        own.restart("nginx")
        assert client.event("done")["url"] == url
    assert place.only_upload()["state"] == "committed"
    place.assert_stored_once(file)


def test_while_we_are_down_only_a_question_by_tus_is_told_423(own, place):
    """After any other refusal of its HEAD tus-js-client begins at byte 0. For everybody else 503 says what is the case."""
    post = headers("Tus-Resumable: 1.0.0", "Upload-Length: 5")
    location = curl(own, "/u", "--request", "POST", *bearer(place.token), *post).headers["location"]
    ask = (own, location.removeprefix(own.url), *bearer(place.token), "--head")
    own.stop_process("control")
    try:
        by_tus, plain = curl(*ask, *headers("Tus-Resumable: 1.0.0")), curl(*ask)
    finally:
        own.start_process("control")
    assert (by_tus.status, plain.status) == (423, 503)
    assert int(by_tus.headers["retry-after"]) == int(plain.headers["retry-after"]) > 0
    assert curl(*ask, *headers("Tus-Resumable: 1.0.0")).status == 200
