"""verify.yml: what is claimed of a deployment (ansible/claims) holds on these hosts, and what does not is told."""

import json

import pytest
import yaml


@pytest.fixture(scope="module")
def verify(hosts, edge, tmp_path_factory):
    """Runs it; whether it was green, and its report by claim."""
    hosts.sh("web", "sluice-web create_collection canary --title Canary --member operator")
    key = hosts.sh("web", "sluice-web create_api_key operator --label verify --collection canary")
    vault = hosts.folder / "inventory/group_vars/all/vault.yml"
    vault.write_text(yaml.safe_dump(yaml.safe_load(vault.read_text()) | {"vault_verify_api_key": key.split()[-1]}))

    def run() -> tuple[bool, dict]:
        folder = tmp_path_factory.mktemp("report")
        said = hosts.playbook("-e", f"verify_report={folder}", name="verify.yml", check=False)
        assert (folder / "report.json").exists(), said[-4000:]
        told = json.loads((folder / "report.json").read_text())
        page = (folder / "report.html").read_text()
        assert all(one["claim"] in page for one in told["results"])
        assert told["holds"] == ("Everything that is claimed holds." in said)
        return told["holds"], {(one["claim"], one["host"]): one for one in told["results"]}

    return run


def test_all_that_is_claimed_holds(hosts, verify):
    holds, found = verify()
    print(*(f"{one['result']}: {one['claim']} ({one['host']})" for one in found.values()), sep="\n")
    assert holds, [one for one in found.values() if one["result"] != "holds"]
    assert {host for _, host in found} == {"", *map(hosts.name, hosts.addresses)}
    assert all(one["how"] for one in found.values())


def test_what_does_not_hold_is_told_and_by_its_host(hosts, verify):
    """One change for each claim on which much rests; each is seen, and nothing else is."""
    broken = {
        ("web", "What nginx runs is what was reviewed, file by file, and nothing beside it"): (
            "echo '# one more' >> /opt/sluice/nginx/conf/conf.d/web.conf",
            "sed -i '$d' /opt/sluice/nginx/conf/conf.d/web.conf",
        ),
        ("web", "No secret can be read by others, and none stands in an environment"): (
            "chmod 0644 /etc/sluice/secret-key",
            "chmod 0600 /etc/sluice/secret-key",
        ),
        ("services", "Nothing listens to the network but what must"): (
            "systemd-run --unit=stray python3 -m http.server 8099",
            "systemctl stop stray",
        ),
        ("services", "The firewall lets in what is named and nothing else"): (
            "nft 'chain inet sluice input { policy accept; }'",
            "nft 'chain inet sluice input { policy drop; }'",
        ),
    }
    try:
        for (tier, _), (change, _) in broken.items():
            hosts.sh(tier, change)
        holds, found = verify()
    finally:
        for (tier, _), (_, back) in broken.items():
            hosts.sh(tier, back)
    bad = {key for key, one in found.items() if one["result"] != "holds"}
    assert not holds and bad == {(claim, hosts.name(tier)) for tier, claim in broken} | {
        ("The inner ports answer their own hosts alone", "")
    }
