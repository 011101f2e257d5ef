"""tus-js-client under node: every mode of its own that touches the protocol, and uploads that were interrupted."""

import pytest

from tests.clients.conftest import MIB, SIZE, SLOW, new_place

PATIENT = [200, 500, 1000, 1000, 2000, 3000, 5000, 5000]  # milliseconds between tries

MODES = {
    "plain": {},
    "chunked": {"options": {"chunkSize": 5 * MIB}},
    "chunked, from memory": {"input": "buffer", "options": {"chunkSize": 5 * MIB}},
    "creation with the whole upload": {"options": {"uploadDataDuringCreation": True}},
    "creation with the first chunk": {"options": {"uploadDataDuringCreation": True, "chunkSize": 5 * MIB}},
    "deferred length": {"options": {"uploadLengthDeferred": True}},
    "deferred length, chunked": {"input": "stream", "options": {"uploadLengthDeferred": True, "chunkSize": 5 * MIB}},
    "POST for PATCH": {"options": {"overridePatchMethod": True, "chunkSize": 5 * MIB}},
    "four parts at once": {"options": {"parallelUploads": 4}},
    "three parts at once, chunked": {"options": {"parallelUploads": 3, "chunkSize": 3 * MIB}},
    "the IETF draft": {"options": {"protocol": "ietf-draft-05"}},
    # From memory: of a file it never says which chunk is the last one (Upload-Complete: ?1).
    "the IETF draft, chunked": {"input": "buffer", "options": {"protocol": "ietf-draft-05", "chunkSize": 5 * MIB}},
    "the IETF draft, creation with the first chunk": {
        "input": "buffer",
        "options": {"protocol": "ietf-draft-05", "uploadDataDuringCreation": True, "chunkSize": 5 * MIB},
    },
}  # fmt: skip


@pytest.mark.parametrize("mode", MODES)
def test_every_mode_ends_in_one_object(tus_js, place, file, mode):
    plan = {"file": str(file), **MODES[mode]}
    plan["options"] = {"endpoint": place.url, **plan.get("options", {})}
    with tus_js(**plan) as client:
        client.event("done")
    place.assert_stored_once(file)


def test_an_empty_file_is_stored(tus_js, place, tmp_path):
    empty = tmp_path / "empty.bin"
    empty.touch()
    with tus_js(file=str(empty), input="buffer", options={"endpoint": place.url}) as client:
        client.event("done")
    place.assert_stored_once(empty)


def test_several_files_one_after_another_under_one_token(tus_js, own, line, file, tmp_path):
    place = new_place(own, line, "several")
    other = tmp_path / "other.bin"
    other.write_bytes(b"another file")
    for each in (file, other):
        with tus_js(file=str(each), options={"endpoint": place.url}) as client:
            client.event("done")
    place.assert_stored_once(file, other)


@pytest.mark.parametrize("chunk", [None, 3 * MIB], ids=["in one piece", "chunked"])
def test_another_instance_goes_on_where_an_aborted_one_stopped(tus_js, place, line, file, chunk):
    options = {"endpoint": place.url} | ({"chunkSize": chunk} if chunk else {})
    line.rate = SLOW
    with tus_js(file=str(file), abortAt=SIZE // 2, options=options) as client:
        url = client.event("aborted")["url"]
    line.rate = None
    with tus_js(file=str(file), options={**options, "uploadUrl": url}) as client:
        assert client.event("done")["url"] == url
    assert place.only_upload()["state"] == "committed"
    place.assert_stored_once(file)


def test_a_cut_line_is_a_pause(tus_js, place, line, file):
    line.rate = SLOW
    with tus_js(file=str(file), options={"endpoint": place.url, "retryDelays": PATIENT}) as client:
        url = client.event("url")["url"]
        place.wait_until_taken(SIZE // 3)
        line.rate = None
        line.cut()
        assert client.event("done")["url"] == url
    assert place.only_upload()["state"] == "committed"
    place.assert_stored_once(file)


def test_a_cut_line_is_a_pause_for_parallel_parts_too(tus_js, place, line, file):
    line.rate = SLOW // 4
    options = {"endpoint": place.url, "parallelUploads": 3, "retryDelays": PATIENT}
    with tus_js(file=str(file), options=options) as client:
        place.wait_until_taken(SIZE // 12)
        line.rate = None
        line.cut()
        client.event("done")
    assert len(place.state()["uploads"]) == 4  # three parts and the whole: no part began anew
    place.assert_stored_once(file)
