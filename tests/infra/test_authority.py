"""Certificates between the tiers: one that is revoked is let in no more; an operator's own authority takes the place of ours."""

import shutil

from dev import pki
from dev.paths import ROOT
from tests.infra.hosts import ADDRESSES

NAMES = {
    "services": (pki.SERVICES_NAME, True),
    "health-client": ("health.services.sluice.internal", False),
    "node": ("node.sluice.internal", True),
}


def answer_to_web_app(hosts) -> str:
    """Of the control listener; 000 when the handshake was refused."""
    files = "--cacert inside-ca.crt --cert web-app-client.crt --key web-app-client.key"
    to = f"--connect-to ::{ADDRESSES['services']}: https://{pki.SERVICES_NAME}:8002/healthz"
    return hosts.sh("web", f"cd /etc/sluice/pki && curl -q -s -m 5 -o /dev/null -w '%{{http_code}}' {files} {to}; true")


def until(hosts, answer: str) -> None:
    for _ in range(20):  # each asks anew; a changed file is looked at every two seconds
        if (found := answer_to_web_app(hosts)) == answer:
            return
        hosts.sh("web", "sleep 1")
    raise AssertionError(found)


def test_a_revoked_certificate_is_let_in_no_more_and_the_next_one_is(hosts, edge):
    authority = hosts.folder / "inventory/authority"
    stolen = max((authority / "issued" / hosts.name("web")).glob("web-app-client-*.crt"))
    assert answer_to_web_app(hosts) == "200"
    stolen.rename(authority / "revoked" / stolen.name)
    hosts.playbook(name="renew-certificates.yml")
    until(hosts, "000")
    hosts.playbook("-e", "pki_renew_within=+3650d", name="renew-certificates.yml")
    until(hosts, "200")
    status, upload = edge.put("demo", ROOT / "README.md")
    assert status == 201 and edge.receipt(upload)


def test_certificates_of_an_operators_own_authority_are_judged_before_they_are_taken_up(hosts, tmp_path):
    own = pki.Authority(tmp_path, "The operator's")
    folder = tmp_path / hosts.name("services")
    folder.mkdir()
    for file, (name, server) in NAMES.items():
        for one in own.issue(file, name, server=server):
            shutil.move(one, folder)
    before = hosts.sh("services", "cd /etc/sluice/pki && cat inside-ca.crt services.crt services.key")
    options = ("-e", f"pki_own={tmp_path}")
    hosts.roles("services", "pki", options=(*options, "--check"))
    shutil.copy(folder / "health-client.crt", folder / "services.crt")
    refused = hosts.playbook(*options, "-e", f"app_release_repository={ROOT}", "--check", name=str(hosts.folder / "roles.yml"), check=False)
    assert "failed=1" in refused and "services.crt: verification failed" in refused
    assert hosts.sh("services", "cd /etc/sluice/pki && cat inside-ca.crt services.crt services.key") == before
