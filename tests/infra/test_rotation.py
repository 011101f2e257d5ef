"""rotate-keys.yml and renew-certificates.yml while uploads run: nothing fails, nothing starts again, nobody is told 5xx."""

import pytest
import yaml

from tests.infra.hosts import ADDRESSES
from tests.infra.load import while_uploading

SIGNING = {"token": ("web", "sluice-web token_keys"), "receipt": ("services", "sluice-services receipt_keys")}


def kids(hosts, key: str) -> list[str]:
    """The one that signs comes last."""
    tier, command = SIGNING[key]
    return [line.split()[0] for line in hosts.sh(tier, f"{command} list").splitlines()]


@pytest.mark.parametrize("key", SIGNING)
def test_a_signing_key_is_changed_with_overlap_and_one_that_was_begun_is_gone_on_with(hosts, edge, count, key):
    (old,) = kids(hosts, key)
    # What a run leaves that broke off behind its first step.
    tier, command = SIGNING[key]
    hosts.sh(tier, f"echo {old} > /etc/sluice/{key}-rotation; {command} new")
    rotate = ("rotate-keys.yml", "-e", f"rotate_keys={key}")
    begun = set(kids(hosts, key)) - {old}
    said = while_uploading(hosts, edge, count, *rotate, "-e", "key_rotation_overlap=3600")
    assert "valid until" in said and kids(hosts, key) == [old, *begun]
    said = while_uploading(hosts, edge, count, *rotate, "-e", "key_rotation_overlap=0")
    assert "No other one is valid" in said and kids(hosts, key) == [*begun]


def test_the_internal_api_key_is_changed_with_overlap_and_in_no_other_way(hosts, edge, count):
    vault = hosts.folder / "inventory/group_vars/all/vault.yml"
    before = yaml.safe_load(vault.read_text())
    old, new = before["vault_internal_api_key"], "n" + before["vault_internal_api_key"][1:]
    rotate = ("-e", "rotate_keys=internal")
    for value, allowed in ((new, False), (f"{old},{new}", None), (new, False), (f"{old},{new}", True), (new, True)):
        if allowed is None:  # what a run leaves that broke off before anybody took it up
            for tier in ADDRESSES:
                hosts.sh(tier, f"echo {value} > /etc/sluice/internal-api-key")
            continue
        vault.write_text(yaml.safe_dump(before | {"vault_internal_api_key": value}))
        if allowed:
            while_uploading(hosts, edge, count, "rotate-keys.yml", *rotate)
        else:
            assert "does not hold the key that is used now" in hosts.playbook(
                *rotate, name="rotate-keys.yml", check=False
            )
    assert {hosts.sh(tier, "cat /etc/sluice/internal-api-key").strip() for tier in ADDRESSES} == {new}


def test_certificates_are_renewed_at_noon(hosts, edge, count):
    ends = "openssl x509 -noout -serial -in /etc/sluice/pki/"
    files = {"web": ("nginx-client.crt", "web-app-client.crt"), "services": ("services.crt", "health-client.crt")}
    before = [hosts.sh(tier, ends + file) for tier, names in files.items() for file in names]
    while_uploading(hosts, edge, count, "renew-certificates.yml", "-e", "pki_renew_within=+3650d")
    after = [hosts.sh(tier, ends + file) for tier, names in files.items() for file in names]
    assert not set(before) & set(after)
