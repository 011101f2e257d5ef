"""Sluice itself: the same stack that ./run demo starts."""

from pathlib import Path

from dev.client import Client
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
        authority = self._stack.keys.edge_ca
        client = Client(self._stack.edge_port, authority, self._stack.api_key)
        grant = client.new_grant(self._stack.collection, size=size)
        headers = {
            "Authorization": f"Bearer {grant['token']}",
            "Content-Disposition": f"attachment; filename*=UTF-8''bench-{seed}.bin",
        }
        return Plan(self._stack.edge_port, str(authority), "PUT", "/u", size, seed, headers)

    def tiers(self) -> dict[str, dict[str, int]]:
        tiers = {"web": ("nginx", "web_app"), "services": ("uploads", "control")}
        return {tier: {name: self._stack.pids(name)[0] for name in names} for tier, names in tiers.items()}

    def store(self) -> Path:
        return self._stack.nas / "collections"

    def web_folders(self) -> list[Path]:
        return [self._stack.prefix, self._stack.web_state]

    def stop(self) -> None:
        self._stack.stop()
