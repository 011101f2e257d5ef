"""tuspy, blocking and asynchronous."""

import pytest

from tests.clients.conftest import MIB, SIZE, SLOW

MODES = {
    "plain": {},
    "chunked": {"options": {"chunk_size": 5 * MIB}},
    "with checksums": {"options": {"chunk_size": 5 * MIB, "upload_checksum": True}},
    "asynchronous": {"asynchronous": True},
    "asynchronous, chunked, with checksums": {
        "asynchronous": True,
        "options": {"chunk_size": 5 * MIB, "upload_checksum": True},
    },
}


@pytest.mark.parametrize("mode", MODES)
def test_every_mode_ends_in_one_object(python_client, place, file, mode):
    with python_client("tuspy_upload", endpoint=place.url, file=str(file), **MODES[mode]) as client:
        client.event("done")
    place.assert_stored_once(file)


def test_another_instance_goes_on_at_the_url(python_client, place, file):
    part = {"options": {"chunk_size": 5 * MIB}, "file": str(file)}
    with python_client("tuspy_upload", endpoint=place.url, stop_at=10 * MIB, **part) as client:
        begun = client.event("done")
    assert place.only_upload()["offset"] == begun["offset"] == 10 * MIB
    with python_client("tuspy_upload", url=begun["url"], **part) as client:
        assert client.event("started")["offset"] == 10 * MIB
        client.event("done")
    assert place.only_upload()["state"] == "committed"
    place.assert_stored_once(file)


def test_another_instance_finds_the_url_in_its_store(python_client, place, file, tmp_path):
    plan = {
        "endpoint": place.url,
        "file": str(file),
        "urls": str(tmp_path / "urls.json"),
        "options": {"chunk_size": MIB},
    }
    with python_client("tuspy_upload", stop_at=3 * MIB, **plan) as client:
        begun = client.event("done")
    with python_client("tuspy_upload", **plan) as client:
        assert client.event("started") == {"event": "started", "url": begun["url"], "offset": 3 * MIB}
        client.event("done")
    place.assert_stored_once(file)


@pytest.mark.parametrize("asynchronous", [False, True], ids=["blocking", "asynchronous"])
def test_a_cut_line_is_a_pause(python_client, place, line, file, asynchronous):
    line.rate = SLOW
    plan = {"endpoint": place.url, "file": str(file), "options": {"retries": 5, "retry_delay": 1}}
    with python_client("tuspy_upload", asynchronous=asynchronous, **plan) as client:
        place.wait_until_taken(SIZE // 3)
        line.rate = None
        line.cut()
        client.event("done")
    assert place.only_upload()["state"] == "committed"
    place.assert_stored_once(file)


def test_a_killed_client_leaves_what_the_next_one_finishes(python_client, place, line, file):
    line.rate = SLOW
    with python_client("tuspy_upload", endpoint=place.url, file=str(file)):
        upload = place.wait_until_taken(SIZE // 3)
    line.rate = None
    with python_client("tuspy_upload", url=f"{place.url}/{upload['upload_id']}", file=str(file)) as client:
        assert client.event("started")["offset"] >= SIZE // 3
        client.event("done")
    assert place.only_upload()["state"] == "committed"
    place.assert_stored_once(file)
