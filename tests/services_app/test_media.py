"""Which type a file is, and whether a collection takes it."""

import threading

import pytest

from services_app.uploads import media
from tests.services_app.making import a_zip

PNG = b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR\x00\x00\x00\x01\x00\x00\x00\x01\x08\x06\x00\x00\x00"


@pytest.mark.parametrize(
    ("head", "found"),
    [
        (a_zip(), "application/zip"),
        (PNG, "image/png"),
        (b"%PDF-1.7\n", "application/pdf"),
        (b"hello, world\n", "text/plain"),
        (bytes(128) + b"DICM" + bytes(100), "application/dicom"),
        (b"\x1f\x8b\x08" + bytes(20), "application/gzip"),
    ],
)
def test_the_type_is_read_from_the_first_bytes(head, found):
    assert media.detect(head) == found


def test_nothing_has_a_type_as_well():
    assert "/" in media.detect(b"")


def test_detection_can_be_asked_by_many_threads_at_once():
    found, heads = [], [a_zip(), PNG] * 20
    threads = [threading.Thread(target=lambda head=head: found.append((head, media.detect(head)))) for head in heads]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert {kind for head, kind in found if head == PNG} == {"image/png"} and len(found) == 40


@pytest.mark.parametrize(
    ("kind", "allowed", "taken"),
    [
        ("application/zip", (), True),
        ("application/zip", ("application/zip",), True),
        ("application/zip", ("image/*", "application/zip"), True),
        ("image/png", ("image/*",), True),
        ("image/png", ("image/jpeg",), False),
        ("imagex/png", ("image/*",), False),
        ("application/zip", ("application/zipx",), False),
        ("application/zip2", ("application/zip",), False),
        ("video/MP2T", ("video/mp2t",), True),  # libmagic's spelling; tokens are lower case only
        ("video/MP2T", ("video/*",), True),
    ],
)
def test_an_allow_list_takes_types_and_families(kind, allowed, taken):
    assert media.is_allowed(kind, allowed) is taken
