"""Two web hosts on one database (--on-postgresql): whichever is asked, it is the same Sluice."""

import base64
import dataclasses
import json

import pytest

from dev.paths import ROOT
from tests.infra.hosts import PUBLIC_NAME


@pytest.fixture
def edges(hosts, edge):
    if not hosts.postgresql:
        pytest.skip("needs --on-postgresql: a SQLite file is one host's own")
    return [
        dataclasses.replace(edge, resolve=("--resolve", f"{PUBLIC_NAME}:443:{hosts.addresses[host]}"))
        for host in ("web", "web2")
    ]


def test_what_one_grants_the_other_passes_on_and_both_sign_with_keys_of_their_own(hosts, edges):
    kids = set()
    for asked, sent in (edges, edges[::-1]):
        status, grant = asked.api("/api/v1/uploads", {"collection": "demo"})
        assert status == 201, grant
        kids.add(json.loads(base64.urlsafe_b64decode(grant["token"].split(".")[0] + "=="))["kid"])
        headers = (
            "--header",
            f"Authorization: Bearer {grant['token']}",
            "--header",
            "Content-Disposition: attachment; filename=a.md",
        )
        status, upload = sent.curl("/u", *headers, "--upload-file", str(ROOT / "README.md"))
        assert status == 201, upload
        assert asked.receipt(upload) == sent.receipt(upload)
    assert len(kids) == 2


def test_both_are_the_same_release_and_ask_the_same_database(hosts, edges):
    release, schema = "readlink /opt/sluice/current", "sluice-web showmigrations --plan | tail -1"
    for line in (release, schema):
        assert hosts.sh("web", line) == hosts.sh("web2", line)
    assert hosts.sh("web2", "ls /var/lib/sluice/*.sqlite3 2>/dev/null; true") == ""
