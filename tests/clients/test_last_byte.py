"""Clients take an offset that equals the length for the end: they must find the receipt behind it, whatever was sent before."""

import os

import pytest

from tests.clients.conftest import MIB
from tests.tus.client import Tus

SURPLUS = b"ten more.."


def too_many(tus, url, body, _):
    assert tus.patch(url, 0, body + SURPLUS, chunked=True).status == 413


def no_last_chunk(tus, url, body, place):
    tus.patch(url, 0, body, chunked=True, cut_after=len(body), before_cut=lambda: place.wait_until_taken(len(body)))


def tuspy(python_client, _, url, file):
    return python_client("tuspy_upload", url=url, file=file, options={"retries": 5, "retry_delay": 1})


def tus_js(_, tus_js, url, file):
    return tus_js(file=file, options={"endpoint": url.rpartition("/")[0], "uploadUrl": url})


@pytest.mark.parametrize("before", [too_many, no_last_chunk])
@pytest.mark.parametrize("client", [tuspy, tus_js])
def test_a_client_that_reports_success_has_a_receipt(request, own, place, tmp_path, client, before):
    file = tmp_path / "whole buffers.bin"
    file.write_bytes(os.urandom(4 * MIB))
    tus = Tus(own, place.token)
    url = tus.create(4 * MIB)
    before(tus, url, file.read_bytes(), place)
    starters = (request.getfixturevalue("python_client"), request.getfixturevalue("tus_js"))
    with client(*starters, url, str(file)) as program:
        program.event("done")
    upload = place.only_upload()
    assert upload["state"] == "committed" and upload["receipt"]
    place.assert_stored_once(file)
