"""backup.yml, a database that is gone, restore.yml: what was backed up is there, what came in since is named."""

from dev.paths import ROOT
from tests.infra.uploads import slow_upload


def test_a_lost_database_comes_back_and_what_it_does_not_know_is_listed(hosts, edge, tmp_path):
    backup = tmp_path / "backup"
    status, known = edge.put("demo", ROOT / "README.md")
    assert status == 201
    hosts.playbook("-e", f"backup_to={backup}", name="backup.yml")
    assert {oct(path.stat().st_mode & 0o77) for path in (backup, *backup.rglob("*"))} == {"0o0"}
    status, later = edge.put("demo", ROOT / "README.md")
    assert status == 201
    # One that was told to end, and has bodies: nothing waits for it.
    sent_enough = tmp_path / "sent-enough"
    slow = slow_upload(edge, sent_enough)
    hosts.sh("services", "systemctl stop --no-block 'sluice-uploads@*'")
    hosts.lose_database("services")
    said = hosts.playbook("-e", f"restore_from={backup}", "--limit", hosts.name("services"), name="restore.yml")
    sent_enough.touch()
    assert slow.communicate(timeout=60)[0].strip() != "201"
    print(said[said.index("What it is now") :])
    assert f"{later['upload_id']} in demo" in said and f"{known['upload_id']} in demo" not in said
    assert "contradictions" in said, "what was signed since the backup"
    hosts.sh("services", "sluice-services rebuild && sluice-services ledger continue --yes")
    hosts.sh("services", "sluice-services verify_ledger && sluice-services recover")
    hosts.sh("web", "sluice-web verify_receipts")
    assert edge.receipt(known) and edge.receipt(later), "both receipts stay good"
    status, fresh = edge.put("demo", ROOT / "README.md")
    assert status == 201 and edge.receipt(fresh)


def test_a_lost_web_tier_comes_back_with_its_database_and_keys(hosts, edge, tmp_path):
    """What people were shown and allowed stays; an upload of since is stored, its receipt good, and only web_app's list lacks it."""
    backup = tmp_path / "backup"
    status, known = edge.put("demo", ROOT / "README.md")
    assert status == 201 and edge.receipt(known)
    hosts.playbook("-e", f"backup_to={backup}", name="backup.yml")
    status, later = edge.put("demo", ROOT / "README.md")
    assert status == 201
    keys = ("token-private.jwks", "token-public.jwks", "receipt-public.jwks", "secret-key")
    before = {name: hosts.sh("web", f"cat /etc/sluice/{name}") for name in keys}
    hosts.lose_database("web")
    hosts.sh("web", "rm " + " ".join(f"/etc/sluice/{name}" for name in keys))
    hosts.playbook("-e", f"restore_from={backup}", "--limit", hosts.name("web"), name="restore.yml")
    assert {name: hosts.sh("web", f"cat /etc/sluice/{name}") for name in keys} == before
    assert edge.receipt(known), "of an upload that the backup knows"
    status, fresh = edge.put("demo", ROOT / "README.md")
    assert status == 201 and edge.receipt(fresh), "the API key, the collection and its member are there"
    assert later["upload_id"] in hosts.sh("services", "ls -d /srv/sluice/nas/collections/demo/*/*/*")
    assert "failing" not in hosts.sh("web", "sluice-web status", check=False)
