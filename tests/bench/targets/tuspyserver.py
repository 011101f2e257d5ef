"""tuspyserver from PyPI under uvicorn, over mTLS: one creation, one PATCH with the whole file."""

import base64

from dev.client import Client
from tests.bench import ground
from tests.bench.client import Plan
from tests.bench.targets.base import BehindEdge

APPLICATION = ground.CONFS.parent / "peers"


class Tuspyserver(BehindEdge):
    name = "tuspyserver"
    digest = "none"
    durable = False
    inside = "mTLS"

    def start(self) -> None:
        self.make_store()
        port = ground.free_port()
        tls = (
            "--ssl-certfile",
            self.pki.services_cert,
            "--ssl-keyfile",
            self.pki.services_key,
            "--ssl-ca-certs",
            self.pki.inside_ca,
            "--ssl-cert-reqs",
            2,
        )
        command = [
            ground.peers_python(),
            "-m",
            "uvicorn",
            "--app-dir",
            APPLICATION,
            "tus_app:app",
            "--port",
            port,
            "--no-access-log",
            *tls,
        ]
        self.start_services("uvicorn", command, port, TUS_FILES=str(self.store()))
        self.start_edge(f"127.0.0.1:{port}", mtls=True)

    def ask(self, size: int, seed: int) -> Plan:
        name = base64.b64encode(f"bench-{seed}.bin".encode()).decode()
        kind = base64.b64encode(b"application/octet-stream").decode()
        headers = {
            "Tus-Resumable": "1.0.0",
            "Upload-Length": str(size),
            "Upload-Metadata": f"filename {name},filetype {kind}",
        }
        reply = Client(self.port, self.pki.edge_ca).send("POST", "/files", [], 0, headers)
        if reply.status != 201:
            raise RuntimeError(f"tus creation was answered {reply.status}")
        path = "/files/" + reply.headers["Location"].rstrip("/").rpartition("/")[2]
        patch = {
            "Tus-Resumable": "1.0.0",
            "Upload-Offset": "0",
            "Content-Type": "application/offset+octet-stream",
        }
        return self.put(path, size, seed, method="PATCH", headers=patch)
