"""The design that Sluice replaces: spool on the web tier, send a second time, move."""

import secrets
from pathlib import Path

from dev.pki import SERVICES_NAME
from tests.bench import ground
from tests.bench.client import Plan
from tests.bench.targets.base import BehindEdge

THREADS = ("--workers", "2", "--threads", "4")


class Inhouse(BehindEdge):
    name = "inhouse"
    digest = "none"
    durable = False
    inside = "mTLS"
    buffered = True  # nginx as it comes: the body is spooled before the application sees it

    def start(self) -> None:
        self.make_store()
        (self.folder / "web-temp").mkdir()
        key, port, socket = secrets.token_urlsafe(32), ground.free_port(), self.folder / "web.sock"
        tls = (
            "--certfile",
            self.pki.services_cert,
            "--keyfile",
            self.pki.services_key,
            "--ca-certs",
            self.pki.inside_ca,
            "--cert-reqs",
            "2",
        )
        self.start_services(
            "services",
            ground.gunicorn("tests.bench.inhouse.services:application", f"127.0.0.1:{port}", *THREADS, *tls),
            port,
            INHOUSE_API_KEY=key,
            INHOUSE_TEMP=str(self.folder / "store" / "temp"),
            INHOUSE_FILES=str(self.store()),
        )
        self._web_app = self.processes.start(
            "web",
            ground.gunicorn("tests.bench.inhouse.web:application", f"unix:{socket}", *THREADS),
            socket,
            INHOUSE_API_KEY=key,
            INHOUSE_TEMP=str(self.folder / "web-temp"),
            INHOUSE_SERVICES_URL=f"https://127.0.0.1:{port}",
            INHOUSE_NAME=SERVICES_NAME,
            INHOUSE_CA=str(self.pki.inside_ca),
            INHOUSE_CERT=str(self.pki.web_app_cert),
            INHOUSE_KEY=str(self.pki.web_app_key),
        )
        self.start_edge(f"unix:{socket}", mtls=False)

    def ask(self, size: int, seed: int) -> Plan:
        return self.put("/upload", size, seed, method="POST", form_field="file", file_name=f"bench-{seed}.bin")

    def tiers(self) -> dict[str, dict[str, int]]:
        tiers = super().tiers()
        tiers["web"]["web"] = self._web_app
        return tiers

    def web_folders(self) -> list[Path]:
        return [*super().web_folders(), self.folder / "web-temp"]
