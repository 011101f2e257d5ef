"""A restart of any process of ours is a pause for a client that tries again: it ends in the upload that it began."""

import pytest

from tests.clients.conftest import SIZE, SLOW
from tests.clients.test_tus_js_client import PATIENT


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
