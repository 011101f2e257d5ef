"""Does a body that passes through a deployed web host reach its disk? tests/nginx/spill.py watches; and a control that must be seen.

The control is the very tree that the host runs, with two lines altered so that it buffers: on the same host, by the same nginx, as the
same user, at a port that the firewall lets nobody reach.
"""

import contextlib
import shlex
from collections.abc import Iterator
from pathlib import Path

from tests.infra.engine import run
from tests.infra.hosts import PUBLIC_NAME, Hosts
from tests.infra.uploads import Edge
from tests.nginx.spill import Report, Watch

PLACE, PORT = "/opt/sluice/canary", 8444
ALTERED = (
    ("site.conf", " 443 ", f" {PORT} "),
    ("snippets/unbuffered.conf", "proxy_request_buffering off;", "proxy_request_buffering on;"),
    ("snippets/no-spill.conf", "client_body_temp_path conf/no-spill;", "client_body_temp_path spilled;"),
)
SIZE = 8 << 20  # bytes that the control sends


def pids(hosts: Hosts, parent: str) -> list[int]:
    """That nginx's, master and workers, as this machine numbers them."""
    inside = hosts.sh("web", f"echo {parent}; pgrep -P {parent}").split()
    listed = [line.split() for line in run("docker", "top", hosts.name("web"), "-eo", "pid,comm").stdout.splitlines()[1:]]
    of_nginx = [int(pid) for pid, name in listed if name == "nginx"]
    found = [pid for pid in of_nginx if _inside(pid) in inside]
    assert len(found) > 1, "a watch that looks at nobody sees nothing"
    return found


def _inside(pid: int) -> str:
    """Its number in the container."""
    status = Path(f"/proc/{pid}/status").read_text()
    return next(line for line in status.splitlines() if line.startswith("NSpid:")).split()[-1]


@contextlib.contextmanager
def watching(hosts: Hosts, folder: Path) -> Iterator[Watch]:
    """nginx as it serves."""
    parent = hosts.sh("web", "systemctl show --property MainPID --value sluice-nginx.service").strip()
    with Watch(pids(hosts, parent), folder) as watch:
        yield watch


def control(hosts: Hosts, edge: Edge, folder: Path) -> Report:
    """What is seen of SIZE bytes that pass through a tree that buffers."""
    edits = "; ".join(f"sed -i {shlex.quote(f's|{old}|{new}|')} conf/{file}" for file, old, new in ALTERED)
    hosts.sh(
        "web",
        f"rm -rf {PLACE}; mkdir -p {PLACE}/logs {PLACE}/run {PLACE}/spilled; cd {PLACE}; cp -rL /opt/sluice/nginx/conf conf; {edits}; "
        f"chown -R sluice-nginx: {PLACE}; runuser -u sluice-nginx -- /usr/sbin/nginx -p {PLACE}/ -c {PLACE}/conf/nginx.conf -e stderr",
    )
    try:
        parent = hosts.sh("web", f"cat {PLACE}/run/nginx.pid").strip()
        status, grant = edge.api("/api/v1/uploads", {"collection": "demo"})
        assert status == 201, grant
        with Watch(pids(hosts, parent), folder) as watch:
            said = hosts.sh(
                "web",
                f"head -c {SIZE} /dev/urandom | curl -q -s -k --connect-to {PUBLIC_NAME}:443:127.0.0.1:{PORT} -w '%{{http_code}}' "
                f"-o /dev/null -H 'Authorization: Bearer {grant['token']}' -H 'Content-Disposition: attachment; filename=\"canary.bin\"' "
                f"-T - https://{PUBLIC_NAME}/u",
            )
        assert said == "201", said
    finally:
        hosts.sh("web", f"kill $(cat {PLACE}/run/nginx.pid); rm -rf {PLACE}", check=False)
    return watch.report
