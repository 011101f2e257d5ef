"""327 MiB through the deployment, by curl and by Chromium: a receipt that verifies, and not a byte of it on the web host's disk."""

import pytest

from tests.infra import browser, canary
from tests.infra.engine import SIZE
from tests.infra.hosts import ADDRESSES, EXPORT


def by_curl(edge, path, chromium) -> dict:
    status, upload = edge.put("demo", path)
    assert status == 201, upload
    return upload


def by_chromium(edge, path, chromium) -> dict:
    return {"receipt": browser.upload(edge, chromium, ADDRESSES["web"], path, seconds=600)}


@pytest.mark.parametrize("by", [by_curl, by_chromium])
def test_a_file_of_327_mib_ends_with_a_verified_receipt_and_none_of_it_is_written_on_the_way(
    hosts, edge, big_file, chromium, tmp_path, by
):
    path, digest = big_file
    with canary.watching(hosts, tmp_path) as watch:
        upload = by(edge, path, chromium)
    claims = edge.receipt(upload)
    assert (claims["size"], claims["sha256"]) == (SIZE, digest)
    stored = hosts.sh("services", f"sha256sum {EXPORT}/collections/demo/*/*/{claims['upload_id']}/{path.name}")
    assert stored.split()[0] == digest
    assert watch.report.nothing(), watch.report


def test_control_with_buffering_on_the_same_watch_sees_the_body(hosts, edge, tmp_path):
    report = canary.control(hosts, edge, tmp_path)
    assert report.written == canary.SIZE and len(report.tries) == 1, report
