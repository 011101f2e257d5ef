"""ansible/site.yml on two bare hosts: converges, changes nothing when run again, and what it says holds on both."""

import base64
import json
import re
import shlex
import subprocess
from pathlib import Path

import crossplane
import pytest

from dev import nginx, wheelhouse
from dev.paths import ROOT
from tests.infra.engine import HOST, SIZE, run
from tests.infra.hosts import ADDRESSES, EXPORT, NAS, NETWORK, PUBLIC_NAME, Hosts
from tests.infra.uploads import Edge
from tests.nginx.test_lint import NEVER, SITE_MAY_HOLD

UNITS = {
    "web": ("sluice-nginx.service", "sluice-web.service", "sluice-reconcile.service"),
    "services": ("sluice-control.service", "sluice-uploads@*.service"),
}
SOCKETS = {"web": ("sluice-web.socket",), "services": ("sluice-uploads.socket", "sluice-control.socket")}
TIMERS = {
    "web": ("sluice-web-clearsessions.timer", "sluice-certificates.timer"),
    "services": ("sluice-services-recover.timer", "sluice-services-verify-ledger.timer", "sluice-certificates.timer"),
}
SECRETS = {
    "web": ("token-private.jwks", "internal-api-key", "secret-key", "pki/nginx-client.key", "pki/web-app-client.key"),
    "services": ("receipt-private.jwks", "internal-api-key", "pki/services.key", "pki/health-client.key"),
}
TIERS = pytest.mark.parametrize("tier", ["web", "services"])


@pytest.fixture(scope="module")
def hosts(docker, tmp_path_factory):
    wheelhouse.main()
    made = Hosts(tmp_path_factory.mktemp("hosts"), wheelhouse.PACKED)
    made.make()
    try:
        made.playbook()
        yield made
    finally:
        made.remove()


@pytest.fixture(scope="module")
def edge(hosts):
    user = {"USERNAME": "operator", "PASSWORD": "long enough for a trial", "EMAIL": "operator@example.org"}
    given = " ".join(f"--setenv=DJANGO_SUPERUSER_{name}={shlex.quote(value)}" for name, value in user.items())
    # createsuperuser asks a person; a test answers by variables, which the command itself does not pass on.
    line = hosts.sh("web", "cat /usr/local/sbin/sluice-web").replace("--working-directory", f"{given} --working-directory")
    hosts.sh("web", f"cat > /run/sluice-web-once <<'END'\n{line}END\nsh /run/sluice-web-once createsuperuser --noinput")
    hosts.sh("web", "sluice-web create_collection demo --title Demo --member operator")
    api_key = hosts.sh("web", "sluice-web create_api_key operator --label infra").split()[-1]
    resolve = ("--resolve", f"{PUBLIC_NAME}:443:{ADDRESSES['web']}")
    return Edge(f"https://{PUBLIC_NAME}", hosts.folder / "edge/ca.crt", api_key, resolve)


def units(hosts, tier: str) -> list[str]:
    patterns = " ".join(f"'{pattern}'" for pattern in UNITS[tier])
    listed = hosts.sh(tier, f"systemctl list-units --plain --no-legend --state=active {patterns}")
    return [line.split()[0] for line in listed.splitlines()]


def third_host(script: str) -> str:
    """What a host beside the two sees, in Python."""
    return run("docker", "run", "--rm", "--network", NETWORK, "--entrypoint", "python3", HOST, "-c", script).stdout


def ready(hosts) -> dict:
    certificate = "--cacert pki/inside-ca.crt --cert pki/health-client.crt --key pki/health-client.key"
    to = f"--connect-to ::{ADDRESSES['services']}:"
    found = hosts.sh("services", f"cd /etc/sluice && curl -s -m 5 {certificate} {to} https://services.sluice.internal:8002/readyz")
    return json.loads(found)


def test_the_second_run_changes_nothing_and_neither_does_a_check(hosts):
    for options in ((), ("--check",)):
        recap = re.findall(r"changed=(\d+) +unreachable=(\d+) +failed=(\d+)", hosts.playbook(*options))
        assert recap == [("0", "0", "0")] * 2


def test_a_file_of_327_mib_arrives_and_its_receipt_verifies(hosts, edge, big_file):
    path, digest = big_file
    status, upload = edge.put("demo", path)
    assert status == 201, upload
    claims = edge.receipt(upload)
    assert (claims["size"], claims["sha256"]) == (SIZE, digest)
    stored = hosts.sh("services", f"sha256sum {EXPORT}/collections/demo/*/*/{upload['upload_id']}/scan.bin")
    assert stored.split()[0] == digest


@TIERS
def test_units_run_as_their_own_user_in_a_narrow_sandbox(hosts, tier):
    found = units(hosts, tier)
    assert len(found) == len(UNITS[tier])
    for unit in found:
        pid = hosts.sh(tier, f"systemctl show --property MainPID --value {unit}").strip()
        status = hosts.sh(tier, f"cat /proc/{pid}/status")
        assert "0" not in re.search(r"^Uid:\t(.*)$", status, re.MULTILINE)[1].split(), unit
        assert "Max core file size        0                    0" in hosts.sh(tier, f"cat /proc/{pid}/limits"), unit
        said = hosts.sh(tier, f"systemd-analyze security --no-pager {unit} | tail -1")
        assert float(re.search(r"level for .*: ([\d.]+)", said)[1]) <= 2.0, said


@TIERS
def test_sockets_and_timers_are_there_at_the_next_start_too(hosts, tier):
    for unit in (*SOCKETS[tier], *TIMERS[tier]):
        assert hosts.sh(tier, f"systemctl is-active {unit}; systemctl is-enabled {unit}").split() == ["active", "enabled"], unit


@TIERS
def test_no_secret_can_be_read_by_others_or_stands_in_an_environment(hosts, tier):
    for name in SECRETS[tier]:
        assert hosts.sh(tier, f"stat -c '%U %a' /etc/sluice/{name}").split() == ["root", "600"], name
    key = hosts.sh(tier, "cat /etc/sluice/internal-api-key").strip()
    found = hosts.sh(tier, f"grep -rlF {key} /etc/systemd /etc/sluice /proc/[0-9]*/environ 2>/dev/null; true")
    assert found.split() == ["/etc/sluice/internal-api-key"]
    if tier == "web":
        assert hosts.sh("web", "find /etc/sluice/nginx -type f ! -perm 0640 -o -type f ! -group sluice-nginx") == ""


@TIERS
def test_nothing_swaps_and_nothing_dumps_core(hosts, tier):
    assert hosts.sh(tier, "tail -n +2 /proc/swaps; systemctl is-enabled swap.target; true").split() == ["masked"]
    assert "* hard core 0" in " ".join(hosts.sh(tier, "cat /etc/security/limits.d/60-sluice.conf").split())
    assert hosts.sh(tier, "systemctl show --property DefaultLimitCORE --value").strip() == "0"


def test_what_nginx_runs_is_what_was_reviewed_and_the_lint_judges_the_rest(hosts, tmp_path):
    listed = hosts.sh("web", "cd /opt/sluice/nginx/conf && find . -type f ! -name site.conf -exec sha256sum {} + | sort -k2")
    reviewed = run("sh", "-c", "find . -type f ! -name Dockerfile -exec sha256sum {} + | sort -k2", cwd=nginx.TREE).stdout
    assert listed == reviewed
    site = tmp_path / "site.conf"
    site.write_text(hosts.sh("web", "cat /opt/sluice/nginx/conf/site.conf"))
    parsed = crossplane.parse(str(site), single=True, check_ctx=False, check_args=False, strict=False)
    assert parsed["status"] == "ok", parsed["errors"]

    def walk(block):
        for entry in block:
            yield entry["directive"]
            yield from walk(entry.get("block", []) if entry["directive"] != "map" else [])

    directives = set(walk(parsed["config"][0]["parsed"]))
    assert directives <= SITE_MAY_HOLD and not any(map(NEVER.fullmatch, directives))


def test_the_services_tier_answers_the_web_host_alone(hosts):
    services = ADDRESSES["services"]
    known = "--cacert /etc/sluice/pki/inside-ca.crt --cert /etc/sluice/nginx/nginx-client.crt --key /etc/sluice/nginx/nginx-client.key"
    for port, answer in (("8001", "404"), ("8002", "200")):
        url = f"https://services.sluice.internal:{port}/healthz"
        assert hosts.sh("web", f"curl -s -m 5 -o /dev/null -w %{{http_code}} {known} --connect-to ::{services}: {url}") == answer
    script = (
        "import socket\nfor port in (8001, 8002, 22):\n one = socket.socket(); one.settimeout(3)\n"
        f" try: one.connect(('{services}', port)); print('answered')\n except TimeoutError: print('silent')"
    )
    assert third_host(script).split() == ["silent"] * 3


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
    hosts.sh("services", "systemctl start sluice-services-task@recover.service; sluice-services recover")
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


def slow_upload(edge, until: Path) -> subprocess.Popen:
    """curl with a body that goes on, at 64 KiB a second, until that file is there. Its output is the status."""
    status, grant = edge.api("/api/v1/uploads", {"collection": "demo"})
    assert status == 201
    command = ["curl", "-q", "-s", "--cacert", str(edge.ca), *edge.resolve, "-w", "%{http_code}", "-o", "/dev/null"]
    command += ["-H", f"Authorization: Bearer {grant['token']}", "-H", 'Content-Disposition: attachment; filename="slow.bin"']
    body = f"until test -e {shlex.quote(str(until))}; do head -c 65536 /dev/urandom; sleep 1; done"
    command += ["-T", "-", edge.url + "/u"]
    return subprocess.Popen(["sh", "-c", f"({body}) | {shlex.join(command)}"], stdout=subprocess.PIPE, text=True)


@TIERS
def test_a_reboot_brings_everything_back(hosts, edge, tier):
    hosts.reboot(tier)
    hosts.sh(tier, "until systemctl is-system-running | grep -qx running; do sleep 1; done", seconds=120)
    assert len(units(hosts, tier)) == len(UNITS[tier])
    status, upload = edge.put("demo", ROOT / "README.md")
    assert status == 201 and edge.receipt(upload)["size"] == (ROOT / "README.md").stat().st_size
