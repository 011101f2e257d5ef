"""tus 1.0.0, "Concatenation"."""

import hashlib
import os
import urllib.parse
import uuid

import pytest

from tests.tokens import mint
from tests.tus.client import Tus, b64, upload_id


def part(tus, body: bytes) -> str:
    return tus.create(len(body), {"Upload-Concat": "partial"}, body)


def final(*urls: str) -> dict[str, str]:
    return {"Upload-Concat": "final;" + " ".join(urls)}


def relative(url: str) -> str:
    return "/" + url.split("/", 3)[3]


def test_partial_uploads_become_one_file_in_the_given_order(tus):
    for order, expected in ((1, b"hello world"), (-1, b" worldhello")):
        parts = [part(tus, b"hello"), part(tus, b" world")]
        answer = tus.post(final(*parts[::order]))
        assert answer.status == 201
        assert tus.stored(answer["Location"]) == expected


def test_a_token_for_one_file_is_enough(single):
    parts = [part(single, body) for body in (b"one", b"two", b"three")]
    answer = single.post(final(*parts))
    assert single.stored(answer["Location"]) == b"onetwothree"


def test_partial_uploads_may_be_sent_in_any_order_and_in_pieces(tus):
    body = os.urandom(900_000)
    urls = [tus.create(300_000, {"Upload-Concat": "partial"}) for _ in range(3)]
    for start, end in ((0, 100_000), (100_000, 300_000)):
        for number in (2, 0, 1):
            at = number * 300_000
            assert tus.patch(urls[number], start, body[at + start : at + end]).offset == end
    answer = tus.post(final(*urls))
    assert tus.stored(answer["Location"]) == body
    assert tus.state(answer["Location"])["sha256"] == hashlib.sha256(body).hexdigest()


def test_the_urls_may_be_relative_and_absolute(tus):
    def bare(url: str) -> str:
        return f"/u/{upload_id(url)}"  # as under Authorization: Bearer

    for first, second in ((relative, str), (str, relative), (relative, bare)):
        answer = tus.post(final(first(part(tus, b"hello")), second(part(tus, b" world"))))
        assert tus.stored(answer["Location"]) == b"hello world"


def test_head_of_a_partial_upload_says_so_and_has_an_offset(tus):
    url = tus.create(10, {"Upload-Concat": "partial"})
    answer = tus.head(url)
    assert (answer["Upload-Concat"], answer.offset, answer["Upload-Length"]) == ("partial", 0, "10")
    tus.patch(url, 0, b"helloworld")
    answer = tus.head(url)
    assert (answer["Upload-Concat"], answer.offset, answer["Upload-Length"]) == ("partial", 10, "10")


def test_head_of_a_final_upload_gives_its_header_back_and_says_its_length(tus):
    header = final(part(tus, b"hello"), part(tus, b" world"))
    answer = tus.head(tus.post(header)["Location"])
    assert (answer["Upload-Concat"], answer.offset, answer["Upload-Length"]) == (header["Upload-Concat"], 11, "11")


def test_head_of_another_upload_has_no_such_header(tus):
    assert tus.head(tus.create(10))["Upload-Concat"] is None


def test_many_parts_may_be_named(tus):
    # Each URL holds the token; nginx takes header lines of 16 KiB.
    count = 15_000 // (len(tus.url) + 60)
    parts = [part(tus, b"%03d" % number) for number in range(count)]
    answer = tus.post(final(*parts))
    assert tus.stored(answer["Location"]) == b"".join(b"%03d" % number for number in range(count))
    assert tus.head(answer["Location"])["Upload-Concat"] == "final;" + " ".join(parts)


def test_many_more_parts_may_be_named_when_the_token_is_not_in_the_url(stack):
    tus = Tus(stack, mint(stack), bearer=True)
    parts = [relative(part(tus, b"%03d" % number)) for number in range(64)]
    answer = tus.post(final(*parts))
    assert tus.stored(answer["Location"]) == b"".join(b"%03d" % number for number in range(64))


@pytest.mark.parametrize("method", ["PATCH", "POST"])
def test_an_append_to_a_final_upload_is_403_and_changes_nothing(tus, method):
    a, b = part(tus, b"hello"), part(tus, b" world")
    url = tus.post(final(a, b))["Location"]
    for odd in ({"Content-Type": "text/plain"}, {"Upload-Offset": None}, {"Upload-Checksum": "crc32 AAAA"}):
        assert tus.patch(url, 0, b"!", odd).status == 403
    for offset in (0, 5, 11):
        assert tus.patch(url, offset, b"more").status == 403
    assert tus.patch(url, 11).status == 403
    assert tus.stored(url) == b"hello world"
    assert tus.offset(url) == 11


def test_a_part_is_used_once_and_goes_with_the_file(tus):
    a, b = part(tus, b"ab"), part(tus, b"-")
    refused = tus.post(final(a, b, a))
    assert (refused.status, refused.code) == (400, "part_repeated")
    assert tus.stored(tus.post(final(a, b))["Location"]) == b"ab-"
    assert [tus.head(one).status for one in (a, b)] == [410, 410]
    assert tus.post(final(a)).status == 400


def test_one_part_may_be_a_whole_file(tus):
    assert tus.stored(tus.post(final(part(tus, b"alone")))["Location"]) == b"alone"


def test_empty_parts_are_parts(tus):
    empty = tus.create(0, {"Upload-Concat": "partial"})
    assert tus.offset(empty) == 0
    a = part(tus, b"hello")
    assert tus.stored(tus.post(final(empty, a, empty))["Location"]) == b"hello"  # twice: of nothing there is no copy
    assert tus.stored(tus.post(final(tus.create(0, {"Upload-Concat": "partial"})))["Location"]) == b""


def test_a_part_is_not_a_file_of_its_own(tus):
    a = part(tus, b"hello")
    assert tus.state(a)["state"] == "waiting"
    with pytest.raises(FileNotFoundError):
        tus.stored(a)


def test_a_part_may_have_a_deferred_length(tus):
    a, b = (tus.create(None, {"Upload-Concat": "partial"}) for _ in range(2))
    tus.patch(a, 0, b"hello", {"Upload-Length": "5"})
    tus.patch(b, 0, b" wor")
    assert tus.post(final(a, b)).status == 400
    tus.patch(b, 4, b"ld", {"Upload-Length": "6"})
    assert tus.stored(tus.post(final(a, b))["Location"]) == b"hello world"


def test_unfinished_parts_are_400_as_concatenation_unfinished_is_not_offered(tus):
    a, b = part(tus, b"hello"), tus.create(6, {"Upload-Concat": "partial"}, b" wor")
    assert tus.post(final(a, b)).status == 400
    assert [tus.offset(url) for url in (a, b)] == [5, 4]
    tus.patch(b, 4, b"ld")
    assert tus.stored(tus.post(final(a, b))["Location"]) == b"hello world"


def test_what_is_no_part_cannot_be_put_together(stack, tus):
    a = part(tus, b"hello")
    terminated = part(tus, b"hello")
    tus.delete(terminated)
    other = Tus(stack, mint(stack, max_uploads=9))
    foreign = part(other, b"secret")
    bad = [
        tus.create(5, body=b"hello"),
        tus.create(5),
        tus.post(final(part(tus, b"hello")))["Location"],
        terminated,
        foreign,
        f"{tus.url}/{upload_id(foreign)}",
        f"{tus.url}/{uuid.uuid4()}",
        tus.url,
        "/",
        "nonsense",
    ]
    for url in bad:
        assert tus.post(final(a, url)).status == 400, url
        assert tus.post(final(url)).status == 400, url
    assert tus.offset(a) == 5


@pytest.mark.parametrize(
    "spelled",
    [
        "{a},{b}",
        "{a}\t{b}",
        "{a}/ {b}",
        "{a} https://elsewhere.example{path}",
        "{a} http://localhost{path}",
        "{a} /files{path}",
        "{a} //elsewhere.example{path}",
        "{a} {b}?x=1",
        "{a} {b}#x",
        "{a} {path}/../{id}x",
        "{a} ../{id}",
        "{a} https://[{path}",
    ],
)
def test_a_url_that_is_not_understood_is_400_and_never_left_out(tus, spelled):
    a, b = part(tus, b"hello"), part(tus, b" world")
    path = urllib.parse.urlsplit(b).path
    urls = spelled.format(a=a, b=b, path=path, id=path.rpartition("/")[2])
    assert tus.post({"Upload-Concat": f"final;{urls}"}).status == 400
    assert tus.stored(tus.post(final(a, path))["Location"]) == b"hello world"


@pytest.mark.parametrize(
    "spelled", ["{path}", "{token}/{id}", "./{token}/{id}", "../u/{token}/{id}", "//{host}{path}", "HTTPS://{HOST}{path}", "{id}"]
)
def test_a_partial_upload_may_be_named_by_any_reference_to_its_url(tus, spelled):
    """RFC 3986, section 5: relative to the URL that the final upload is created at."""
    a, b = part(tus, b"hello"), part(tus, b" world")
    url = urllib.parse.urlsplit(b)
    token, upload_id = url.path.split("/")[2:]
    named = spelled.format(path=url.path, token=token, id=upload_id, host=url.netloc, HOST=url.netloc.upper())
    assert tus.stored(tus.post(final(a, named))["Location"]) == b"hello world"


@pytest.mark.parametrize(
    "value", ["final;", "final", "final ", "final:", "Partial", "partial;", "parts", "1", "final; "]
)
def test_another_value_of_upload_concat_is_400(tus, value):
    assert tus.post({"Upload-Concat": value}).status == 400
    assert tus.post({"Upload-Concat": value, "Upload-Length": "5"}).status == 400
    assert tus.state()["uploads"] == []


@pytest.mark.parametrize("header", [{"Upload-Length": "5"}, {"Upload-Defer-Length": "1"}])
def test_a_final_upload_must_not_come_with_a_length(tus, header):
    assert tus.post({**final(part(tus, b"hello")), **header}).status == 400


@pytest.mark.parametrize("chunked", [False, True])
def test_a_final_upload_must_not_come_with_bytes(tus, chunked):
    assert tus.post(final(part(tus, b"hello")), b"more" * 100_000, chunked=chunked).status == 400


def test_metadata_of_parts_is_not_that_of_the_final_upload(stack, tus):
    a, b = (tus.create(5, {"Upload-Concat": "partial", "Upload-Metadata": f"filename {b64('part.txt')}"}, b"hello") for _ in range(2))
    assert tus.head(a)["Upload-Metadata"] == f"filename {b64('part.txt')}"
    plain = tus.post(final(a))["Location"]
    assert tus.head(plain)["Upload-Metadata"] is None
    assert stack.stored(upload_id(plain)).name != "part.txt"
    named = tus.post({**final(b), "Upload-Metadata": f"filename {b64('whole.txt')}"})["Location"]
    assert tus.head(named)["Upload-Metadata"] == f"filename {b64('whole.txt')}"
    assert stack.stored(upload_id(named)).name == "whole.txt"


def test_a_final_upload_over_the_maximum_is_413(limited):
    parts = [part(limited, b"x" * 600) for _ in range(2)]
    assert limited.post(final(*parts)).status == 413
    assert [limited.offset(url) for url in parts] == [600, 600]


def test_a_final_upload_can_be_terminated(tus):
    a = part(tus, b"hello")
    url = tus.post(final(a))["Location"]
    assert tus.delete(url).status == 204
    assert tus.head(url).status == 410


def test_parts_may_be_aided_by_every_other_extension(tus):
    answer = tus.post({"Upload-Concat": "partial", "Upload-Length": "5"})
    assert answer["Upload-Expires"] is not None
    url = answer["Location"]
    assert tus.patch(url, 0, b"hello", {"Upload-Checksum": "sha1 AAAA"}).status == 460
    assert tus.patch(url, 0, b"too long").status == 413
    assert tus.patch(url, 0, b"hello").offset == 5
    assert tus.patch(url, 5).status == 204
    assert tus.delete(url).status == 204


def test_all_parts_together_may_not_be_more_than_the_token_allows(stack):
    tus = Tus(stack, mint(stack, max_size=1000))
    urls = [tus.create(500, {"Upload-Concat": "partial"}) for _ in range(2)]
    assert tus.post({"Upload-Concat": "partial", "Upload-Length": "1"}).status == 413
    tus.delete(urls[0])
    deferred = tus.create(None, {"Upload-Concat": "partial"})
    assert tus.patch(deferred, 0, b"x" * 501).status == 413
    assert tus.patch(deferred, 0, b"x" * 300_000, chunked=True).status == 413
    assert tus.patch(deferred, 0, b"x" * 500, {"Upload-Length": "500"}).status == 204


def test_a_used_up_token_takes_no_more_parts(single):
    single.post(final(part(single, b"hello")))
    assert single.post({"Upload-Concat": "partial", "Upload-Length": "5"}).status == 409


def test_head_gives_back_headers_as_long_as_nginx_takes_them(stack):
    tus = Tus(stack, mint(stack), bearer=True)
    a, empty = relative(part(tus, b"hello")), relative(part(tus, b""))
    header = final(a, *[empty] * (16_000 // (len(a) + 1) - 1))
    metadata = f"note {b64(b'x' * 6_000)}"
    answer = tus.post({**header, "Upload-Metadata": metadata})
    assert answer.status == 201
    answer = tus.head(answer["Location"])
    assert (answer["Upload-Concat"], answer["Upload-Metadata"]) == (header["Upload-Concat"], metadata)
