"""The journal: kept, bounded, and handed on to a host that the operator names."""

from dev import pki
from tests.infra.hosts import WATCHER

NAME = "logs.sluice.test"
# Debian's systemd-journal-remote is built without a look at who sends; this one asks for a certificate of the inside authority.
RECEIVER = f"""import http.server, ssl

class Receiver(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self):
        with open("/var/log/handed-on", "ab", 0) as file:
            file.write(repr(self.connection.getpeercert()["subjectAltName"]).encode() + b"\\n")
            while size := int(self.rfile.readline(), 16):
                file.write(self.rfile.read(size))
                self.rfile.readline()
        self.send_response(202)
        self.send_header("Content-Length", "0")
        self.end_headers()

context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain("/etc/logs/{NAME}.crt", "/etc/logs/{NAME}.key")
context.load_verify_locations("/etc/logs/trust.crt")
context.verify_mode = ssl.CERT_REQUIRED
server = http.server.ThreadingHTTPServer(("", 19532), Receiver)
server.socket = context.wrap_socket(server.socket, server_side=True)
server.serve_forever()
"""


def test_the_journal_is_handed_on_over_tls_where_one_is_named_and_only_there(hosts):
    authority = pki.Authority(hosts.folder / "logs", "Logs CA")
    certificate, key = authority.issue(NAME, NAME, server=True)
    trusted = (hosts.folder / "inventory/authority/ca.crt").read_text()
    files = {f"{NAME}.crt": certificate.read_text(), f"{NAME}.key": key.read_text(), "trust.crt": trusted, "receiver.py": RECEIVER}
    hosts.sh("monitoring", "install -d -m 0700 /etc/logs; rm -f /var/log/handed-on; systemctl stop receiver.service; true")
    for name, content in files.items():
        hosts.sh("monitoring", f"cat > /etc/logs/{name} <<'END'\n{content}\nEND")
    hosts.sh("monitoring", "systemd-run --unit=receiver python3 /etc/logs/receiver.py")
    try:
        hosts.sh("services", f"grep -q {NAME} /etc/hosts || echo {next(iter(WATCHER.values()))} {NAME} >> /etc/hosts")
        where = ("-e", f"logs_forward_to=https://{NAME}:19532", "-e", f"logs_forward_ca={authority.certificate_file}")
        hosts.roles("services", "pki", "logs", options=where)
        hosts.sh("services", "logger -t sluice-test handed-on-4711")
        found = "grep -ac handed-on-4711 /var/log/handed-on"
        hosts.sh("monitoring", f"n=0; until test \"$({found})\" -ge 1; do n=$((n + 1)); test $n -lt 60 || exit 1; sleep 1; done")
        assert "logs.sluice.internal" in hosts.sh("monitoring", "head -1 /var/log/handed-on")
        stranger = f"curl -q -s -m 5 -k -o /dev/null -w '%{{http_code}}' -X POST https://{NAME}:19532/upload; true"
        assert hosts.sh("services", stranger).strip() == "000", "the control: who has no certificate hands nothing on"
    finally:
        hosts.roles("services", "pki", "logs")
        hosts.sh("monitoring", "systemctl stop receiver.service")
    assert hosts.sh("services", "systemctl is-active systemd-journal-upload; true").strip() == "inactive"
