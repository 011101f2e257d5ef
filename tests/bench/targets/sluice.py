"""Sluice itself: the same stack that ./run demo starts."""

import http.client
import json
import ssl
from pathlib import Path

from dev.pki import Pki
from dev.stack import Stack
from tests.bench import ground
from tests.bench.client import Plan
from tests.bench.targets.base import Target


class Sluice(Target):
    name = "sluice"
    digest = "SHA-256"
    durable = True
    inside = "mTLS"

    def __init__(self, folder: Path, pki: Pki):
        super().__init__(folder, pki)
        self._stack = Stack(folder, nginx_binary=ground.nginx())

    def start(self) -> None:
        self._stack.start()

    def ask(self, size: int, seed: int) -> Plan:
        """A grant, as a script asks for it; its token travels as a bearer, not in the URL."""
        authority = str(self._stack.keys.edge_ca)
        connection = http.client.HTTPSConnection(
            "localhost",
            self._stack.edge_port,
            context=ssl.create_default_context(cafile=authority),
            timeout=30,
        )
        headers = {"Authorization": f"Bearer {self._stack.api_key}", "Content-Type": "application/json"}
        connection.request(
            "POST",
            "/api/v1/uploads",
            json.dumps({"collection": self._stack.collection, "size": size}),
            headers,
        )
        reply = connection.getresponse()
        answer = json.load(reply)
        connection.close()
        if reply.status != 201:
            raise RuntimeError(f"web_app answered {reply.status} {answer.get('code', '')}")
        headers = {
            "Authorization": f"Bearer {answer['token']}",
            "Content-Disposition": f"attachment; filename*=UTF-8''bench-{seed}.bin",
        }
        return Plan(self._stack.edge_port, authority, "PUT", "/u", size, seed, headers)

    def tiers(self) -> dict[str, dict[str, int]]:
        tiers = {"web": ("nginx", "web_app"), "services": ("uploads", "control")}
        return {tier: {name: self._stack.pids(name)[0] for name in names} for tier, names in tiers.items()}

    def store(self) -> Path:
        return self._stack.nas / "collections"

    def web_folders(self) -> list[Path]:
        return [self._stack.prefix, self._stack.web_state]

    def stop(self) -> None:
        self._stack.stop()
