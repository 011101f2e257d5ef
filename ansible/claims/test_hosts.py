"""Of every host."""

import re

import pytest

UNITS = {
    "web": ("sluice-nginx.service", "sluice-web.service", "sluice-reconcile.service"),
    "services": ("sluice-control.service", "sluice-uploads@*.service"),
    "database": ("postgresql@17-main.service",),
}
# With hosts in the group monitoring.
WATCHED = {
    "web": ("sluice-metrics.service", "prometheus-node-exporter.service"),
    "services": ("prometheus-node-exporter.service",),
}
AT_START = {
    "web": (
        *("sluice-web.socket", "sluice-web-clearsessions.timer", "sluice-web-verify-receipts.timer"),
        *("sluice-certificates.timer", "nftables.service"),
    ),
    "services": (
        *(
            "sluice-uploads.socket",
            "sluice-control.socket",
            "sluice-services-recover.timer",
            "sluice-services-ledger-checkpoint.timer",
            "sluice-services-verify-ledger.timer",
            "sluice-services-verify-store.timer",
            "sluice-services-reconcile-store.timer",
        ),
        *("sluice-certificates.timer", "nftables.service"),
    ),
    "database": ("sluice-certificates.timer", "nftables.service"),
}
PORTS = {"web": {443}, "services": {8001, 8002}, "database": {5432}}
SECRETS = {
    "web": ("token-private.jwks", "internal-api-key", "secret-key", "pki/nginx-client.key", "pki/web-app-client.key"),
    "services": ("receipt-private.jwks", "internal-api-key", "pki/services.key", "pki/health-client.key"),
    "database": ("pki/database.key",),
}
ALL = pytest.mark.on("web", "services", "database")


def of(table: dict, deployment, name: str) -> list:
    return [one for group in table if group in deployment.hosts[name]["groups"] for one in table[group]]


@ALL
def test_units(deployment, name, sh):
    """Everything runs, as a user of its own and in a narrow sandbox.

    systemctl list-units; /proc/PID/status and limits of each unit's main process; systemd-analyze security says 2.0 or less.
    """
    wanted = of(UNITS, deployment, name) + (of(WATCHED, deployment, name) if deployment.of("monitoring") else [])
    listed = sh(f"systemctl list-units --plain --no-legend --state=active {' '.join(map(repr, wanted))}")
    found = [line.split()[0] for line in listed.splitlines()]
    missing = [one for one in wanted if not any(re.fullmatch(one.replace("*", ".*"), unit) for unit in found)]
    assert not missing, f"not running: {missing}"
    for unit in found:
        pid = sh(f"systemctl show --property MainPID --value {unit}").strip()
        status = sh(f"cat /proc/{pid}/status")
        assert "0" not in re.search(r"^Uid:\t(.*)$", status, re.MULTILINE)[1].split(), f"{unit} runs as root"
        assert re.search(r"^Max core file size +0 +0 ", sh(f"cat /proc/{pid}/limits"), re.MULTILINE), (
            f"{unit} may dump core"
        )
        said = sh(f"systemd-analyze security --no-pager {unit} | tail -1")
        assert float(re.search(r"level for .*: ([\d.]+)", said)[1]) <= 2.0, said.strip()


@ALL
def test_at_start(deployment, name, sh):
    """Sockets, timers and the firewall are there now and at the next start.

    systemctl is-active and is-enabled.
    """
    for unit in of(AT_START, deployment, name):
        assert sh(f"systemctl is-active {unit}; systemctl is-enabled {unit}").split() == ["active", "enabled"], unit


@ALL
def test_secrets(deployment, name, sh):
    """No secret can be read by others, and none stands in an environment.

    Owner and mode of each; the shared secret is looked for in all units and in the environment of all processes.
    """
    for secret in of(SECRETS, deployment, name):
        assert sh(f"stat -c '%U %a' /etc/sluice/{secret}").split() == ["root", "600"], secret
    assert (
        sh(
            "test ! -e /etc/sluice/nginx || find /etc/sluice/nginx -type f ! -perm 0640 -o -type f ! -group sluice-nginx"
        )
        == ""
    )
    for secret in ("internal-api-key", "database-url"):
        # The pattern goes by a file, not by an argument: arguments can be read by everybody.
        found = sh(
            f"test -s /etc/sluice/{secret} || exit 0; stat -c '%U %a' /etc/sluice/{secret} | grep -qx 'root 600' || echo open;"
            f" grep -rlF --file=/etc/sluice/{secret} /etc/systemd /etc/sluice /proc/[0-9]*/environ 2>/dev/null; true"
        )
        assert set(found.split()) <= {f"/etc/sluice/{secret}"}, secret


@ALL
def test_memory(sh):
    """Nothing that passes through memory reaches a disk: no swap, no core dumps.

    /proc/swaps, swap.target, limits.d, systemd's DefaultLimitCORE.
    """
    assert sh("tail -n +2 /proc/swaps; systemctl is-enabled swap.target; true").split() == ["masked"]
    assert "* hard core 0" in " ".join(sh("cat /etc/security/limits.d/60-sluice.conf").split())
    assert sh("systemctl show --property DefaultLimitCORE --value").strip() == "0"


@ALL
def test_ports(deployment, name, sh):
    """Nothing listens to the network but what must.

    ss: each TCP port that is open beyond this host itself.
    """
    allowed = (
        set(of(PORTS, deployment, name))
        | {22, *deployment.listens}
        | ({9100} if deployment.of("monitoring") else set())
    )
    listening = [line.split()[3] for line in sh("ss --no-header --listening --tcp --numeric").splitlines()]
    beyond = [one for one in listening if not re.match(r"127\.|\[::1\]|\[::ffff:127\.", one)]
    assert {int(one.rsplit(":", 1)[1]) for one in beyond} <= allowed, beyond


@ALL
def test_firewall(sh):
    """The firewall lets in what is named and nothing else.

    nft: the rules in force, not those in a file.
    """
    rules = sh("nft list table inet sluice")
    assert all(f"hook {hook} priority filter; policy drop;" in rules for hook in ("input", "forward"))


@ALL
def test_logs(sh):
    """The journal outlives a start, and is bounded.

    journalctl --header and systemd-analyze cat-config.
    """
    said = sh("systemd-analyze cat-config systemd/journald.conf | grep -v '^#'")
    assert "Storage=persistent" in said and re.search(r"SystemMaxUse=\w+", said)
    assert "/var/log/journal/" in sh("ls -d /var/log/journal/*")


@ALL
def test_certificates(sh):
    """No certificate of the inside ends within 20 days.

    openssl x509 -checkend on each below /etc/sluice/pki.
    """
    assert (
        sh(
            "for one in /etc/sluice/pki/*.crt; do openssl x509 -noout -checkend 1728000 -in $one >/dev/null || echo $one; done"
        )
        == ""
    )
