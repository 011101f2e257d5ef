"""tus 1.0.0, Core Protocol, "OPTIONS", "Tus-Version", "Tus-Extension", "Tus-Max-Size"; and what extensions add to it."""

import uuid

import pytest

from tests.tokens import mint
from tests.tus.client import Tus

EXTENSIONS = [
    "creation",
    "creation-with-upload",
    "creation-defer-length",
    "expiration",
    "checksum",
    "termination",
    "concatenation",
]


def test_options_lists_the_versions(tus):
    answer = tus.options()
    assert answer.status in (200, 204)
    assert (answer["Tus-Version"], answer["Tus-Resumable"]) == ("1.0.0", "1.0.0")


@pytest.mark.parametrize("extension", EXTENSIONS)
def test_options_lists_the_extension(tus, extension):
    assert extension in tus.options()["Tus-Extension"].split(",")


def test_options_does_not_list_what_is_not_done(tus):
    listed = tus.options()["Tus-Extension"].split(",")
    assert sorted(listed) == sorted(EXTENSIONS)


def test_options_says_the_largest_size(limited):
    assert limited.options()["Tus-Max-Size"] == "1000"


def test_options_lists_checksum_algorithms_in_small_letters_with_sha1_among_them(tus):
    listed = tus.options()["Tus-Checksum-Algorithm"].split(",")
    assert "sha1" in listed and "sha256" in listed
    assert all(name.isascii() and name == name.lower() and name.isalnum() for name in listed)


@pytest.mark.parametrize("version", ["1.0.0", "0.2.2", "nonsense"])
def test_options_ignores_the_version_of_the_request(tus, version):
    for target in (None, tus.create(10)):
        answer = tus.ask("OPTIONS", target, version=version)
        assert (answer.status, answer["Tus-Version"]) == (200, "1.0.0")


def test_options_of_an_upload_says_the_same(tus):
    one, all_of_them = tus.options(tus.create(10)), tus.options()
    for name in ("Tus-Version", "Tus-Extension", "Tus-Max-Size", "Tus-Checksum-Algorithm"):
        assert one[name] == all_of_them[name]


def test_options_names_the_methods(tus):
    assert {"POST", "HEAD", "OPTIONS"} <= set(tus.options()["Allow"].split(", "))
    assert {"PATCH", "HEAD", "DELETE", "OPTIONS"} <= set(tus.options(f"{tus.url}/{uuid.uuid4()}")["Allow"].split(", "))


def test_options_needs_no_unused_token(single):
    assert single.post({"Upload-Length": "0"}).status == 201
    assert single.options().status == 200


def test_options_uses_nothing_up(stack):
    tus = Tus(stack, mint(stack))
    tus.options()
    assert tus.state()["state"] == "unused"
