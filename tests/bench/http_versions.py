"""Upload speed of HTTP/1.1 and HTTP/2 at the edge, near and far: the numbers of docs/adr/0005.

    python -m tests.bench.http_versions [--size MIB] [--round-trip MS] [--rounds N]

curl sends one file through an edge nginx (unbuffered, as Sluice's) to an nginx that writes it, over mTLS inside.
"""

import argparse
import dataclasses
import json
import shutil
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

from dev import nginx
from dev.pki import Pki
from tests.bench import ground
from tests.bench.relay import Relay
from tests.bench.targets.base import MIB
from tests.bench.targets.dav import Dav

PREREAD = 64 * 1024  # nginx's own default, bytes
BUFFER = 16 * 1024
HTTP_2_SWITCH_SINCE = (1, 25, 1)  # before, HTTP/2 was an option of `listen`


@dataclasses.dataclass
class Edge:
    """One server: HTTP version, and what nginx may hold of a body before it asks for more."""

    name: str
    version: str  # as curl spells it
    buffer: int  # client_body_buffer_size
    preread: int  # http2_body_preread_size
    port: int = 0


def edges() -> list[Edge]:
    return [
        Edge("HTTP/1.1, default", "1.1", BUFFER, PREREAD),
        Edge("HTTP/1.1, 1 MiB buffer", "1.1", MIB, PREREAD),
        Edge("HTTP/2, default", "2", BUFFER, PREREAD),
        Edge("HTTP/2, 1 MiB buffer and preread", "2", MIB, MIB),
    ]


class Versions(Dav):
    """The DAV target with another edge in front: four servers in one nginx."""

    name = "http_versions"

    def start_edge(self, upstream: str, mtls: bool) -> None:
        self.edges = edges()
        for edge, port in zip(self.edges, ground.free_ports(len(self.edges)), strict=True):
            edge.port = port
        self._edge = ground.start_nginx(
            self.processes,
            "edge-nginx",
            self.folder / "edge",
            "http_versions.conf",
            self.edges[0].port,
            servers="\n".join(_server(edge) for edge in self.edges),
            **self.edge_values(upstream, mtls),
        )


def _server(edge: Edge) -> str:
    new = nginx.version(ground.nginx()) >= HTTP_2_SWITCH_SINCE
    option = " http2" if edge.version == "2" and not new else ""
    switch = "http2 on;" if edge.version == "2" and new else ""
    preread = f"http2_body_preread_size {edge.preread};" if edge.version == "2" else ""
    return f"""
    server {{
        listen 127.0.0.1:{edge.port} ssl{option};
        {switch}
        {preread}
        client_body_buffer_size {edge.buffer};
        server_name localhost;

        location / {{
            proxy_pass https://peer;
            proxy_http_version 1.1;
            proxy_set_header Connection "";
        }}
    }}"""


def speed(port: int, version: str, file: Path, authority: Path) -> float:
    """MiB/s of one upload by curl. Raises RuntimeError when it failed or spoke another version."""
    address = f"https://localhost:{port}/versions.bin"
    command = ["curl", "--silent", "--show-error", "--fail", f"--http{version}", "--cacert", str(authority)]
    # `Expect` would add a round trip that has nothing to do with the question.
    command += ["--header", "Expect:", "--resolve", f"localhost:{port}:127.0.0.1", "--upload-file", str(file)]
    command += ["--output", "/dev/null", "--write-out", "%{json}", address]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"curl: {done.stderr.strip()}")
    told = json.loads(done.stdout)
    if told["http_version"] != version:
        raise RuntimeError(f"curl spoke HTTP/{told['http_version']}, not {version}")
    return told["size_upload"] / told["time_total"] / MIB


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.bench.http_versions", description=__doc__)
    parser.add_argument("--size", type=int, default=128, metavar="MIB")
    parser.add_argument("--round-trip", type=int, default=50, metavar="MS")
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args(arguments)
    if shutil.which("curl") is None:
        print("curl is missing.\n  sudo apt install curl", file=sys.stderr)
        return 2
    target = Versions(ground.FOLDER / "run" / Versions.name, Pki(ground.FOLDER / "pki"))
    target.clear()
    target.folder.mkdir(parents=True)
    try:
        target.start()
        _table(target, options)
    except ground.Unavailable as why:
        print(why, file=sys.stderr)
        return 2
    finally:
        target.stop()
        target.clear()
    return 0


def _table(target: Versions, options: argparse.Namespace) -> None:
    print(f"| MiB/s, {options.size} MiB, medians of {options.rounds} | 0 ms | {options.round_trip} ms |")
    print("|---|---|---|")
    with tempfile.NamedTemporaryFile(dir=target.folder) as file:
        file.truncate(options.size * MIB)
        for edge in target.edges:
            with Relay(edge.port, options.round_trip / 1000) as relay:
                near, far = (
                    statistics.median(
                        speed(port, edge.version, Path(file.name), target.pki.edge_ca) for _ in range(options.rounds)
                    )
                    for port in (edge.port, relay.port)
                )
            print(f"| {edge.name} | {near:.0f} | {far:.1f} |", flush=True)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
