"""The live canary: a body goes through the edge that runs, and what nginx does meanwhile is watched. ADR 0003.

Looking for files afterwards proves nothing: nginx unlinks a temporary file as soon as it is open. So two witnesses look on, strace and
the kernel's counters; and a second nginx with the one setting turned round shows that they would have seen it.
"""

import base64
import contextlib
import json
import shlex
import subprocess

import pytest

from tests.nginx.spill import COMMAND, Report

FOLDER = "/run/sluice-canary"  # in memory: the control parks a body on purpose
WITNESS = "sluice-canary-witness.service"
CONTROL = "sluice-canary-control.service"
CONTROL_PORT = 8444
TURNED = {
    "snippets/unbuffered.conf": ("proxy_request_buffering off;", "proxy_request_buffering on;"),
    "snippets/no-spill.conf": ("client_body_temp_path conf/no-spill;", "client_body_temp_path spilled;"),
}


@pytest.mark.on("web")
def test_no_body_is_parked(deployment, name, sh):
    """No byte of a body touches a disk of the web tier.

    A random body goes through the edge into the canary's collection, while strace watches every call of nginx that creates a file or
    writes at an offset, and /proc/PID/io counts what it writes. The receipt must name its size.
    """
    pids = sh(
        "pid=$(systemctl show --property MainPID --value sluice-nginx.service); echo $pid $(pgrep -P $pid)"
    ).split()
    report = Report()
    with watched(sh, pids, report):
        done = upload(deployment, "localhost", deployment.address(name), 443, deployment.mebibytes)
    assert done == deployment.mebibytes << 20, f"the canary did not arrive: {done}"
    assert report.nothing(), report


@pytest.mark.on("web")
def test_a_parked_body_would_be_seen(deployment, name, sh):
    """Positive control: a body that is parked is seen by the same witness.

    A second nginx on this host, at an address that nobody else reaches, from the same tree with proxy_request_buffering turned on and a
    folder for bodies, in memory; the same upload, the same witness.
    """
    report = Report()
    with control(sh):
        pids = sh(f"pid=$(systemctl show --property MainPID --value {CONTROL}); echo $pid $(pgrep -P $pid)").split()
        with watched(sh, pids, report):
            upload(deployment, sh, "127.0.0.1", CONTROL_PORT, 8)
    assert report.tries and report.written >= 7 << 20, "the witness saw nothing of a body that was parked"


@contextlib.contextmanager
def watched(sh, pids: list[str], report: Report):
    """Fills the report."""
    followed = " ".join(f"-p {pid}" for pid in pids)
    counted = (
        f"cat {' '.join(f'/proc/{pid}/io' for pid in pids)} | awk '/^write_bytes/ {{ sum += $2 }} END {{ print sum }}'"
    )
    sh(f"install -d -m 0755 {FOLDER}; systemctl stop {WITNESS} 2>/dev/null; rm -f {FOLDER}/trace")
    sh(f"systemd-run --quiet --collect --unit={WITNESS} {shlex.join(COMMAND)} -o {FOLDER}/trace {followed}")
    try:
        sh(
            "n=0; until ! grep -q '^TracerPid:\t0$' "
            + " ".join(f"/proc/{pid}/status" for pid in pids)
            + "; do n=$((n + 1)); test $n -lt 100 || exit 1; sleep 0.1; done"
        )
        before = int(sh(counted))
        yield
        report.counted = int(sh(counted)) - before
    finally:
        sh(f"systemctl stop {WITNESS}")
    report.read(sh(f"cat {FOLDER}/trace"))
    sh(f"rm -f {FOLDER}/trace")


@contextlib.contextmanager
def control(sh):
    live = "/opt/sluice/nginx/conf"
    sh(
        f"rm -rf {FOLDER}; install -d -m 0755 {FOLDER}; cp -rL {live}/ {FOLDER}/conf"
        f" && install -d -o sluice-nginx {FOLDER}/logs {FOLDER}/run {FOLDER}/spilled"
        f" && sed -i -e '/listen \\[/d' -e 's/listen 443 /listen 127.0.0.1:{CONTROL_PORT} /' {FOLDER}/conf/site.conf"
    )
    for file, (found, turned) in TURNED.items():
        sh(
            f"grep -qF {shlex.quote(found)} {FOLDER}/conf/{file} && sed -i {shlex.quote(f's|{found}|{turned}|')} {FOLDER}/conf/{file}"
        )
    nginx = f"/usr/sbin/nginx -p {FOLDER}/ -c {FOLDER}/conf/nginx.conf -e stderr -g 'daemon off;'"
    try:
        limits = "--property=User=sluice-nginx --property=LimitNOFILE=16384 --property=LimitCORE=0"
        sh(f"systemd-run --quiet --collect --unit={CONTROL} {limits} {nginx}")
        sh(
            f"n=0; until ss -Hltn 'sport = :{CONTROL_PORT}' | grep -q LISTEN; do n=$((n + 1)); test $n -lt 50 || exit 1; sleep 0.1; done"
        )
        yield
    finally:
        sh(f"systemctl stop {CONTROL} 2>/dev/null; rm -rf {FOLDER}")


def upload(deployment, where, address: str, port: int, mebibytes: int) -> int | str:
    """Size that the receipt names, or what was answered instead. `where`: "localhost", or the shell of another host."""
    web = deployment.address(deployment.of("web")[0])
    asked = [
        _header(f"Authorization: Bearer {deployment.api_key}"),
        f'json = "{{\\"collection\\": \\"{deployment.collection}\\"}}"',
    ]
    grant = json.loads(_here(_curl(deployment, web, 443, "/api/v1/uploads", *asked)))
    if "token" not in grant:
        return f"no grant: {grant.get('code')}"
    named = _header("Content-Disposition: attachment; filename=canary.bin")
    sent = [_header(f"Authorization: Bearer {grant['token']}"), named, 'upload-file = "-"']
    ask = _curl(deployment, address, port, "/u", *sent, body=f"head -c {mebibytes << 20} /dev/urandom")
    told = (_here(ask) if where == "localhost" else where(ask)).strip()
    answer = json.loads(told) if told.startswith("{") else {}
    if "receipt" not in answer:
        return answer.get("code", told[:200])
    return json.loads(base64.urlsafe_b64decode(answer["receipt"].split(".")[1] + "=="))["size"]


def _header(line: str) -> str:
    return f'header = "{line}"'


def _here(line: str) -> str:
    """Not as an argument, which everybody on this machine could read: the API key is in it."""
    return subprocess.run(["sh"], input=line, capture_output=True, text=True, timeout=900, check=False).stdout


def _curl(deployment, address: str, port: int, path: str, *lines: str, body: str = ":") -> str:
    """A line for a shell. Certificates of the edge are another claim's."""
    name = deployment.public_name
    config = "\n".join((f'url = "https://{name}{path}"', f'connect-to = "{name}:443:{address}:{port}"', *lines))
    return f"umask 077; config=$(mktemp); cat > $config <<'END'\n{config}\nEND\n{body} | curl -q -s -k -m 900 -K $config; rm -f $config"
