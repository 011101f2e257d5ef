"""The floor: a second nginx writes the file by its DAV module."""

import os

from tests.bench import ground
from tests.bench.client import Plan
from tests.bench.targets.base import BehindEdge


class Dav(BehindEdge):
    name = "dav"
    digest = "none"
    durable = False
    inside = "mTLS"

    def start(self) -> None:
        if "http_dav_module" not in ground.nginx_features():
            raise ground.Unavailable("this nginx has no DAV module (Debian: apt install nginx-full)")
        self.make_store()
        port = ground.free_port()
        pid = ground.start_nginx(
            self.processes,
            "store-nginx",
            self.folder / "services",
            "dav.conf",
            port,
            store=self.folder / "store",
            services_cert=self.pki.services_cert,
            services_key=self.pki.services_key,
            inside_ca=self.pki.inside_ca,
        )
        self._services = {"store-nginx": pid}
        self.start_edge(f"127.0.0.1:{port}", mtls=True)

    def ask(self, size: int, seed: int) -> Plan:
        return self.put(f"/bench-{seed}.bin", size, seed)


class DavDurable(Dav):
    """A floor that promises what Sluice does of the bytes: file and folder are synced before it counts as stored."""

    name = "dav-durable"
    durable = True

    def make_durable(self, size: int) -> None:
        stored = next(path for path in self.store().iterdir() if path.stat().st_size == size)
        for path in (stored, self.store()):
            fd = os.open(path, os.O_RDONLY)
            try:
                os.fsync(fd)
            finally:
                os.close(fd)
