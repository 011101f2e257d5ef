"""Of the edge, of what is between the tiers, of the store and of the database."""

import hashlib
import json
import socket
import ssl

import crossplane
import pytest

from tests.nginx.test_lint import NEVER, SITE_MAY_HOLD

LIVE = "/opt/sluice/nginx/conf"
INSIDE = "services.sluice.internal"
SETTINGS = {
    **{"fsync": "on", "full_page_writes": "on", "ssl": "on", "ssl_min_protocol_version": "TLSv1.3"},
    **{"log_min_error_statement": "panic", "log_error_verbosity": "terse", "log_statement": "none"},
}


@pytest.mark.on("web")
def test_nginx_tree(deployment, sh):
    """What nginx runs is what was reviewed, file by file, and nothing beside it.

    SHA-256 of each file of the running tree against the repository's at the commit that runs; site.conf is judged by itself.
    """
    listed = sh(f"cd {LIVE}/ && find . -type f ! -name site.conf -exec sha256sum {{}} +")
    running = {path[2:]: digest for digest, path in (line.split(maxsplit=1) for line in listed.splitlines())}
    tree = deployment.nginx_tree
    files = [path for path in tree.rglob("*") if path.is_file() and path.name != "Dockerfile"]
    reviewed = {str(path.relative_to(tree)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}
    assert sorted(running) == sorted(reviewed)
    assert [name for name in reviewed if running[name] != reviewed[name]] == []


@pytest.mark.on("web")
def test_site_conf(sh, tmp_path):
    """site.conf holds names, addresses and certificates, and nothing that changes how requests are handled.

    Parsed by crossplane; each directive is judged by the lists of the repository's own lint (tests/nginx/test_lint.py).
    """
    site = tmp_path / "site.conf"
    site.write_text(sh(f"cat {LIVE}/site.conf"))
    parsed = crossplane.parse(str(site), single=True, check_ctx=False, check_args=False, strict=False)
    assert parsed["status"] == "ok", parsed["errors"]

    def walk(block):
        for entry in block:
            yield entry["directive"]
            yield from walk(entry.get("block", []) if entry["directive"] != "map" else [])

    directives = set(walk(parsed["config"][0]["parsed"]))
    assert directives <= SITE_MAY_HOLD and not any(map(NEVER.fullmatch, directives)), directives - SITE_MAY_HOLD


@pytest.mark.on("web")
def test_nginx_is_the_one(sh):
    """The nginx that runs has read these files.

    The main process' command line, and that it began or was reloaded after site.conf was written.
    """
    pid = sh("systemctl show --property MainPID --value sluice-nginx.service").strip()
    assert f"-c {LIVE}/nginx.conf" in sh(f"tr '\\0' ' ' < /proc/{pid}/cmdline")
    youngest = float(sh(f"stat -c %Y /proc/$(pgrep -n -P {pid})"))
    assert youngest >= float(sh(f"stat -c %Y {LIVE}/site.conf")) - 1, (
        "site.conf is newer than the workers: reload nginx"
    )


@pytest.mark.on("web")
def test_edge_tls(deployment, name):
    """The edge speaks TLS 1.2 or newer, and nothing in the clear.

    Handshakes from the machine that verifies.
    """
    address = (deployment.address(name), 443)
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE  # its authority may be known to browsers alone
    with (
        socket.create_connection(address, 10) as plain,
        context.wrap_socket(plain, server_hostname=deployment.public_name) as one,
    ):
        assert one.version() in ("TLSv1.2", "TLSv1.3")
    context.minimum_version, context.maximum_version = ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1
    context.set_ciphers("ALL:@SECLEVEL=0")
    with pytest.raises((ssl.SSLError, OSError)), socket.create_connection(address, 10) as plain:
        context.wrap_socket(plain, server_hostname=deployment.public_name)


@pytest.mark.on("web")
def test_hop(deployment, sh):
    """Between the tiers both sides prove themselves, over TLS 1.3.

    From the web host, with the files that nginx uses: answered with the name verified; not without a client certificate, not with TLS
    1.2, and of the metrics nothing.
    """
    folder = "/etc/sluice/nginx"
    known = f"--cert {folder}/nginx-client.crt --key {folder}/nginx-client.key"
    (services,) = deployment.of("services")
    for port, answer in ((8001, "404"), (8002, "200")):
        ask = (
            f"curl -q -s -m 5 -o /dev/null -w '%{{http_code}}' --cacert {folder}/inside-ca.crt"
            f" --connect-to ::{deployment.address(services)}: https://{INSIDE}:{port}/healthz"
        )
        assert sh(f"{ask} {known}") == answer
        assert sh(f"{ask} || true") == "000", "answered without a client certificate"
        assert sh(f"{ask} {known} --tls-max 1.2 || true") == "000", "answered TLS 1.2"
    to_metrics = ask.replace("/healthz", "/metrics")
    assert sh(f"{to_metrics} {known}") == "403", "nginx's certificate must not open the metrics"


def test_strangers(deployment):
    """The inner ports answer their own hosts alone.

    Connections from the machine that verifies, which is none of them.
    """
    inner = {"services": (8001, 8002, 9100), "database": (5432,), "web": (9100,)}
    answered = []
    for name, port in ((name, port) for group in inner for name in deployment.of(group) for port in inner[group]):
        try:
            socket.create_connection((deployment.address(name), port), 3).close()
        except OSError:
            continue
        answered.append(f"{name}:{port}")
    assert answered == []


@pytest.mark.on("services")
def test_store(sh):
    """The NAS is mounted where nothing on it can run, and an upload would be stored now.

    findmnt, and the control listener's /readyz, which stores one in small.
    """
    root = "$(sed -n 's/^NAS_ROOT=//p' /etc/sluice/services_app.env)"
    options = sh(f"findmnt --noheadings --output OPTIONS --mountpoint {root}").strip().split(",")
    assert {"nodev", "nosuid", "noexec"} <= set(options), options
    files = "--cacert inside-ca.crt --cert health-client.crt --key health-client.key"
    found = sh(
        f"cd /etc/sluice/pki && at=$(sed -n 's/^CONTROL_BIND=//p' /etc/sluice/services_app.env)"
        f" && curl -q -s -m 10 {files} --connect-to ::$at https://{INSIDE}:8002/readyz"
    )
    parts = json.loads(found)
    assert parts["store"] == "ok" and parts["database"] == "ok" and parts["space"] == "ok", parts


@pytest.mark.on("web")
def test_web_tier_has_no_store(sh):
    """The web tier has no way to the store.

    /proc/mounts, and NAS_ROOT in web_app's variables.
    """
    kinds = {line.split()[2] for line in sh("cat /proc/mounts").splitlines()}
    assert not kinds & {"nfs", "nfs4", "cifs", "smb3"}, kinds
    assert sh("grep -c NAS_ROOT /etc/sluice/web_app.env || true").strip() == "0"


@pytest.mark.on("database")
def test_database(sh):
    """Each tier reaches its own database alone, over TLS, from its own hosts; nothing that a statement held is logged.

    pg_hba_file_rules and pg_settings of the running server; privileges of each role.
    """
    ask = "psql --username=postgres --no-psqlrc --tuples-only --no-align --command"
    rules = sh(
        f'{ask} "SELECT type, database::text, user_name::text, auth_method, error FROM pg_hba_file_rules"'
    ).split()
    assert {one.split("|")[0] for one in rules} == {"local", "hostssl"} and all(one.endswith("|") for one in rules), (
        rules
    )
    remote = {tuple(one.split("|")[1:4]) for one in rules if one.startswith("hostssl")}
    assert remote == {(f"{{sluice_{tier}}}", f"{{sluice_{tier}}}", "scram-sha-256") for tier in ("web", "services")}
    for name, value in SETTINGS.items():
        assert sh(f"{ask} 'SHOW {name}'").strip() == value, name
    for own, other in (("web", "services"), ("services", "web")):
        assert (
            sh(f"{ask} \"SELECT has_database_privilege('sluice_{own}', 'sluice_{other}', 'CONNECT')\"").strip() == "f"
        )


@pytest.mark.on("monitoring")
def test_metrics(deployment, sh):
    """Prometheus is told the numbers of both tiers with its own certificate, and without one nothing.

    From the monitoring host: /metrics of the control listener and of node_exporter on each host.
    """
    (services,) = deployment.of("services")
    folder = "/etc/sluice/pki"
    asked = [(services, 8002, INSIDE, "sluice_healthy"), (services, 9100, "node.sluice.internal", "node_memory")]
    asked += [(web, 9100, "node.sluice.internal", "sluice_web_grants") for web in deployment.of("web")]
    for name, port, server, number in asked:
        ask = f"curl -q -s -m 10 --cacert {folder}/inside-ca.crt --connect-to ::{deployment.address(name)}: https://{server}:{port}/metrics"
        assert number in sh(f"{ask} --cert {folder}/metrics-client.crt --key {folder}/metrics-client.key"), (
            f"{name}:{port}"
        )
        assert sh(f"{ask} || true") == "", f"{name}:{port} answers without a certificate"
