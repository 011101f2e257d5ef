"""ansible/site.yml on two bare hosts: converges, changes nothing when run again, and what it says holds on both."""

import base64
import json
import re

import pytest

from dev.paths import ROOT
from tests.infra.engine import HOST, run
from tests.infra.hosts import ADDRESSES, NAS, NETWORK
from tests.infra.uploads import slow_upload

UNITS = {
    "web": ("sluice-nginx.service", "sluice-web.service", "sluice-reconcile.service"),
    "services": ("sluice-control.service", "sluice-uploads@*.service"),
}
TIERS = pytest.mark.parametrize("tier", ["web", "services"])


def units(hosts, tier: str) -> list[str]:
    patterns = " ".join(f"'{pattern}'" for pattern in UNITS[tier])
    listed = hosts.sh(tier, f"systemctl list-units --plain --no-legend --state=active {patterns}")
    return [line.split()[0] for line in listed.splitlines()]


def third_host(script: str) -> str:
    """What a host beside the two sees, in Python."""
    return run("docker", "run", "--rm", "--network", NETWORK, "--entrypoint", "python3", HOST, "-c", script).stdout


def answers_to_a_third_host(*places: tuple[str, int]) -> set:
    script = (
        f"import socket\nfor place in {places!r}:\n one = socket.socket(); one.settimeout(3)\n"
        " try: one.connect(place); print(place)\n except TimeoutError: pass"
    )
    return set(third_host(script).splitlines())


def ready(hosts) -> dict:
    certificate = "--cacert pki/inside-ca.crt --cert pki/health-client.crt --key pki/health-client.key"
    to = f"--connect-to ::{ADDRESSES['services']}:"
    found = hosts.sh("services", f"cd /etc/sluice && curl -s -m 5 {certificate} {to} https://services.sluice.internal:8002/readyz")
    return json.loads(found)


def test_the_second_run_changes_nothing_and_neither_does_a_check(hosts):
    for options in ((), ("--check",)):
        recap = re.findall(r"changed=(\d+) +unreachable=(\d+) +failed=(\d+)", hosts.playbook(*options))
        assert recap == [("0", "0", "0")] * len(hosts.addresses)


def test_the_services_tier_answers_the_web_host_alone(hosts):
    services = ADDRESSES["services"]
    known = "--cacert /etc/sluice/pki/inside-ca.crt --cert /etc/sluice/nginx/nginx-client.crt --key /etc/sluice/nginx/nginx-client.key"
    for port, answer in (("8001", "404"), ("8002", "200")):
        url = f"https://services.sluice.internal:{port}/healthz"
        assert hosts.sh("web", f"curl -s -m 5 -o /dev/null -w %{{http_code}} {known} --connect-to ::{services}: {url}") == answer
    assert answers_to_a_third_host(*((services, port) for port in (8001, 8002, 22))) == set()


def test_a_prometheus_is_told_the_numbers_and_nobody_else_is(hosts, edge):
    """Its prometheus.yml names what monitoring.yml put there, and that is all that its operator writes."""
    written = "rule_files: [rules/*.yml]\nscrape_config_files: [sluice/*.yml]\nglobal: {scrape_interval: 1s}\n"
    hosts.sh("monitoring", f"printf '{written}' > /etc/prometheus/prometheus.yml && promtool check config /etc/prometheus/prometheus.yml")
    hosts.sh("monitoring", "systemctl restart prometheus.service")
    for number in ("sluice_healthy", "sluice_web_grants", "node_memory_MemTotal_bytes"):
        ask = f"curl -s 'http://127.0.0.1:9090/api/v1/query?query=count({number})'"
        hosts.sh("monitoring", f"n=0; until {ask} | grep -q '\"value\"'; do n=$((n + 1)); test $n -lt 60 || exit 1; sleep 1; done")
    ask = "curl -s --data-urlencode 'query=up{job=~\"sluice.*\"}' http://127.0.0.1:9090/api/v1/query"
    up = json.loads(hosts.sh("monitoring", ask))["data"]["result"]
    assert [one["value"][1] for one in up] == ["1"] * (2 + sum(host.startswith("web") for host in hosts.addresses)), up
    assert hosts.sh("monitoring", "curl -s http://127.0.0.1:9090/api/v1/rules").count("sluice") > 5
    # The web host's own certificates, of the same authority, open neither.
    services, files = ADDRESSES["services"], "/etc/sluice/nginx/nginx-client"
    ask = f"curl -s -m 5 -o /dev/null -w '%{{http_code}} ' -k --cert {files}.crt --key {files}.key"
    to = [f"{ask} --connect-to ::{services}: https://services.sluice.internal:8002/metrics", f"{ask} https://{services}:9100/metrics"]
    to += [f"{ask} https://{ADDRESSES['web']}:9100/metrics"]
    assert hosts.sh("web", "; ".join(to) + "; true").split() == ["403", "000", "000"]
    assert answers_to_a_third_host((services, 8002), (services, 9100), (ADDRESSES["web"], 9100)) == set()


def test_one_address_cannot_hold_the_edge(hosts):
    rules = hosts.sh("web", "nft list table inet sluice")
    assert "ct count over 512" in rules and "limit rate over 50/second burst 200 packets" in rules and "policy drop" in rules
    script = (
        "import socket\nheld, kept = 0, []\nfor _ in range(700):\n one = socket.socket(); one.settimeout(0.5); kept.append(one)\n"
        f" try: one.connect(('{ADDRESSES['web']}', 443)); held += 1\n except OSError: break\nprint(held)"
    )
    assert 200 <= int(third_host(script)) <= 512


def test_the_nas_away_is_red_and_refused_and_nothing_lands_below_the_mountpoint(hosts, edge):
    small = ROOT / "README.md"
    running = units(hosts, "services")
    hosts.sh("services", f"umount {NAS}")
    try:
        assert ready(hosts)["store"] == "absent"
        status, problem = edge.put("demo", small)
        assert (status, problem["code"]) == (503, "store_unavailable")
        assert hosts.sh("services", f"ls -A {NAS}; lsattr -d {NAS}").split()[0].count("i") == 1
        assert "not permitted" in hosts.sh("services", f"touch {NAS}/probe 2>&1; true")
    finally:
        hosts.sh("services", f"mount {NAS}")
    assert ready(hosts)["store"] == "ok"
    status, _ = edge.put("demo", small)
    assert status == 201
    assert units(hosts, "services") == running, "without a restart"


def test_changed_keys_start_another_instance_and_the_old_one_finishes_its_body(hosts, edge, tmp_path):
    """A changed variable or release does the same. Both tiers' keys at once, as after a leak: one run of the playbook is then enough."""
    (old,) = (unit for unit in units(hosts, "services") if unit.startswith("sluice-uploads@"))
    status, earlier = edge.put("demo", ROOT / "README.md")
    assert status == 201
    sent_enough = tmp_path / "sent-enough"
    slow = slow_upload(edge, sent_enough)
    # What settles abandoned uploads must see that this one is not.
    hosts.sh("services", "systemctl start sluice-services-recover.service; sluice-services recover")
    commands = {"web": "sluice-web token_keys", "services": "sluice-services receipt_keys"}
    made = {tier: hosts.sh(tier, f"{command} new").strip() for tier, command in commands.items()}
    for tier, command in commands.items():
        hosts.sh(tier, f"{command} sign-with {made[tier]}; {command} retire $({command} list | head -1)")
    hosts.playbook()
    assert slow.poll() is None, "the upload runs on while the new instance is there"
    _, grant = edge.api("/api/v1/uploads", {"collection": "demo"})
    status, upload = edge.put("demo", ROOT / "README.md")
    assert status == 201 and edge.receipt(upload)["size"] == (ROOT / "README.md").stat().st_size
    signed_with = [json.loads(base64.urlsafe_b64decode(one.split(".")[0] + "=="))["kid"] for one in (grant["token"], upload["receipt"])]
    assert signed_with == [made["web"], made["services"]]
    sent_enough.touch()
    assert slow.communicate(timeout=300)[0].strip() == "201"
    hosts.sh("services", f"until ! systemctl is-active --quiet {old}; do sleep 1; done", seconds=60)
    assert old not in units(hosts, "services") and len(units(hosts, "services")) == 2
    assert edge.receipt(earlier), "what the retired key signed stays verifiable"
    assert hosts.sh("services", "grep -c kid /etc/sluice/token-public.jwks") == "1\n", "what the retired key would sign does not"


def test_listeners_move_to_another_address_and_no_body_is_cut(hosts, edge, tmp_path):
    sent_enough = tmp_path / "sent-enough"
    slow = slow_upload(edge, sent_enough)
    listening = "ss -Hltn 'sport = :8001 or sport = :8002' | awk '{ print $4 }' | sort"
    for listen in ("0.0.0.0", ADDRESSES["services"]):
        hosts.roles("services", "app_release", "services_app", options=("-e", f"services_app_listen={listen}"))
        assert hosts.sh("services", listening).split() == [f"{listen}:8001", f"{listen}:8002"]
        status, upload = edge.put("demo", ROOT / "README.md")
        assert status == 201 and edge.receipt(upload)
    assert slow.poll() is None
    sent_enough.touch()
    assert slow.communicate(timeout=300)[0].strip() == "201"


@TIERS
def test_a_reboot_brings_everything_back(hosts, edge, tier):
    hosts.reboot(tier)
    hosts.sh(tier, "until systemctl is-system-running | grep -qx running; do sleep 1; done", seconds=120)
    assert len(units(hosts, tier)) == len(UNITS[tier])
    status, upload = edge.put("demo", ROOT / "README.md")
    assert status == 201 and edge.receipt(upload)["size"] == (ROOT / "README.md").stat().st_size
