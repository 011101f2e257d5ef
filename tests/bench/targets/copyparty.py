"""copyparty from PyPI: its PUT hashes while writing. It cannot ask for client certificates: plain inside."""

from tests.bench import ground
from tests.bench.client import Plan
from tests.bench.targets.base import BehindEdge


class Copyparty(BehindEdge):
    name = "copyparty"
    digest = "SHA-512"
    durable = False
    inside = "plain"

    def start(self) -> None:
        self.make_store()
        port = ground.free_port()
        quiet = ("--no-crt", "--http-only", "--no-thumb", "--no-mtag-ff", "--no-snap", "--no-reload")
        trust = ("--rproxy", "1", "--xff-src", "127.0.0.0/8")
        command = [
            ground.peers_python(),
            "-m",
            "copyparty",
            "-q",
            "-i",
            "127.0.0.1",
            "-p",
            port,
            "-v",
            f"{self.store()}::w",
            *quiet,
            *trust,
        ]
        # Its notes and history belong under the target's own folder, not under the user's.
        self.start_services(
            "copyparty",
            command,
            port,
            XDG_CONFIG_HOME=str(self.folder / "store"),
            HOME=str(self.folder / "store"),
        )
        self.start_edge(f"127.0.0.1:{port}", mtls=False)

    def ask(self, size: int, seed: int) -> Plan:
        return self.put(f"/bench-{seed}.bin", size, seed)
