"""tus 1.0.0, "Creation": POST, Upload-Length, Upload-Metadata, and what a token adds to it."""

import uuid

import pytest

from tests.tokens import mint
from tests.tus.client import Tus, b64, upload_id
from tests.tus.test_core_patch import BAD_NUMBERS


def test_a_creation_is_201_and_names_the_new_upload(tus):
    answer = tus.post({"Upload-Length": "100"})
    assert answer.status == 201
    assert uuid.UUID(upload_id(answer["Location"]))
    assert tus.offset(answer["Location"]) == 0


def test_each_creation_makes_another_upload(tus):
    assert len({tus.create(10) for _ in range(5)}) == 5


def test_a_creation_without_content_length_is_201(tus):
    assert tus.post({"Upload-Length": "100", "Content-Length": None}).status == 201


def test_an_empty_file_is_complete_at_once(tus):
    url = tus.create(0)
    answer = tus.head(url)
    assert (answer.offset, answer["Upload-Length"]) == (0, "0")
    assert tus.stored(url) == b""


def test_neither_length_nor_its_deferral_is_400(tus):
    assert tus.post().status == 400


@pytest.mark.parametrize("length", ["", *BAD_NUMBERS])
def test_a_length_that_is_no_number_is_400(tus, length):
    assert tus.post({"Upload-Length": length}).status == 400


@pytest.mark.parametrize("length", [1001, 10**12, 10**18, 10**19, 10**30, "9" * 5000])
def test_a_length_over_the_maximum_is_413(limited, length):
    assert limited.post({"Upload-Length": str(length)}).status == 413
    assert limited.state()["uploads"] == []


def test_a_length_of_the_maximum_is_201(limited):
    assert limited.post({"Upload-Length": limited.options()["Tus-Max-Size"]}).status == 201


def test_two_lengths_in_one_request_are_never_taken_for_another_one(tus):
    answer = tus.post({"Upload-Length": "10"}, also=[("Upload-Length", "20")])
    # nginx before 1.23 shows us the first of them only; later ones show both.
    assert answer.status == 400 or tus.head(answer["Location"])["Upload-Length"] == "10"


# -- Upload-Metadata ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "metadata",
    [
        f"filename {b64('scan 1.dcm')}",
        f"filename {b64('ä ö 文')},is_confidential",
        f"a {b64('1')},b {b64('2')},c {b64('3')}",
        f"is_confidential,name {b64('x')}",
        f"a ,b {b64('2')}",
        f"Key.with-odd_signs!; {b64(bytes(range(256)))}",
        "single",
        f"zlib {b64(b'x' * 6000)}",
    ],
    ids=range(8),
)
def test_head_gives_metadata_back_as_it_was_sent(tus, metadata):
    url = tus.create(5, {"Upload-Metadata": metadata})
    assert tus.head(url)["Upload-Metadata"] == metadata
    tus.patch(url, 0, b"hello")
    assert tus.head(url)["Upload-Metadata"] == metadata


def test_head_names_no_metadata_when_there_is_none(tus):
    assert tus.head(tus.create(5))["Upload-Metadata"] is None


@pytest.mark.parametrize(
    "metadata",
    [
        "name no*base64",
        "name YWJj=",
        "name YWJ",
        "name YW Jj",
        "name  YWJj",
        "name YWJj,name YWJj",
        "name,name",
        ",",
        "name YWJj,",
        ",name YWJj",
        "a YWJj,,b YWJj",
        "näme YWJj",
        "name\tYWJj",
        "name Y\x01Jj",
    ],
)
def test_metadata_that_is_none_is_400_and_creates_nothing(tus, metadata):
    assert tus.post({"Upload-Length": "5", "Upload-Metadata": metadata}).status == 400
    assert tus.state()["uploads"] == []


@pytest.mark.parametrize(
    "name", ["../../etc/passwd", "a\r\nSet-Cookie: x=1", "/", "..", "", "\x00", "n" * 400, "a" * 254 + "ä", "con"]
)
def test_no_file_name_in_metadata_gets_out_of_the_folder_or_into_a_header(tus, name):
    url = tus.create(5, {"Upload-Metadata": f"filename {b64(name)}"})
    answer = tus.patch(url, 0, b"hello")
    assert (answer.status, answer["Set-Cookie"]) == (204, None)
    assert tus.stored(url) == b"hello"
    assert tus.head(url)["Upload-Metadata"].split()[1:] == ([b64(name)] if name else [])


def test_the_file_is_stored_under_the_name_in_its_metadata(stack, tus):
    url = tus.create(5, {"Upload-Metadata": f"filename {b64('Scan ä.dcm')},filetype {b64('application/dicom')}"})
    tus.patch(url, 0, b"hello")
    assert stack.stored(upload_id(url)).name == "Scan ä.dcm"


# -- what a token allows ------------------------------------------------------------------------------------------------


def test_one_token_may_allow_several_uploads_side_by_side(tus):
    urls = [tus.create(10) for _ in range(4)]
    for url in urls:
        tus.patch(url, 0, b"hello")
    for url in reversed(urls):
        assert tus.patch(url, 5, upload_id(url)[-5:].encode()).status == 204
    assert [tus.stored(url) for url in urls] == [b"hello" + upload_id(url)[-5:].encode() for url in urls]


def test_a_token_for_several_uploads_ends_when_all_are_complete(stack):
    tus = Tus(stack, mint(stack, max_uploads=2))
    for _ in range(2):
        tus.create(5, body=b"hello")
    answer = tus.post({"Upload-Length": "5"})
    assert (answer.status, answer.code) == (409, "already_committed")


def test_a_second_creation_under_a_token_for_one_takes_the_place_of_the_one_that_waits(single):
    first = single.create(10)
    single.patch(first, 0, b"hello")
    second = single.create(5)
    for answer in (single.head(first), single.patch(first, 5, b"world")):
        assert (answer.status, answer.offset) == (410, None)
    assert single.patch(second, 0, b"12345").status == 204
    assert single.stored(second) == b"12345"


def test_a_second_creation_under_a_token_for_one_is_409_once_the_first_is_complete(single):
    first = single.create(5, body=b"hello")
    assert single.post({"Upload-Length": "5"}).status == 409
    assert single.stored(first) == b"hello"


def test_a_refused_creation_takes_no_place(single):
    url = single.create(10)
    single.post({"Upload-Length": "x"})
    single.post({"Upload-Length": "5", "Upload-Metadata": "a *"})
    single.post({"Upload-Length": str(1 << 60)})
    single.post({"Upload-Length": "5"}, b"too long")
    single.post({"Upload-Length": "5", "Content-Type": "text/plain"}, b"hello")
    single.post({"Upload-Length": "5", "Upload-Checksum": "crc32 AAAA"}, b"hello")
    assert single.patch(url, 0, b"helloworld").status == 204


def test_a_length_that_the_token_does_not_name_is_refused(stack):
    tus = Tus(stack, mint(stack, length=10))
    assert tus.post({"Upload-Length": "9"}).status == 422
    assert tus.post({"Upload-Length": "11"}).status == 422
    assert tus.post({"Upload-Length": "10"}).status == 201
