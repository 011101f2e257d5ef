"""Sluice itself: the same stack that ./run demo starts."""

from pathlib import Path
from urllib.parse import urlsplit

from dev.client import Client
from dev.pki import Pki
from dev.stack import Stack
from tests.bench import ground
from tests.bench.client import Plan
from tests.bench.targets.base import MIB, Target


class Sluice(Target):
    name = "sluice"
    rate = 0  # bytes a second of the line; 0: loopback as it is
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
        return self._plan(client, size, seed, headers)

    def _plan(self, client: Client, size: int, seed: int, headers: dict[str, str]) -> Plan:
        return Plan(client.port, str(self._stack.keys.edge_ca), "PUT", "/u", size, seed, headers, rate=self.rate)

    def tiers(self) -> dict[str, dict[str, int]]:
        tiers = {"web": ("nginx", "web_app"), "services": ("uploads", "control")}
        return {tier: {name: self._stack.pids(name)[0] for name in names} for tier, names in tiers.items()}

    def store(self) -> Path:
        return self._stack.nas / "collections"

    def web_folders(self) -> list[Path]:
        return [self._stack.prefix, self._stack.web_state]

    def stop(self) -> None:
        self._stack.stop()


class SluiceByTus(Sluice):
    """An upload that was created by tus before the first byte, and gets its bytes by PATCH."""

    append = 0
    cut = False

    def _plan(self, client: Client, size: int, seed: int, headers: dict[str, str]) -> Plan:
        bearer = {"Authorization": headers["Authorization"]}
        creation = {**bearer, "Tus-Resumable": "1.0.0", "Upload-Length": str(size)}
        reply = client.send("POST", "/u", [], 0, creation)
        if reply.status != 201:
            raise RuntimeError(f"tus creation was answered {reply.status}")
        path = urlsplit(reply.headers["Location"]).path
        more = {"rate": self.rate, "append": self.append, "cut_at": size // 2 if self.cut else 0}
        return Plan(client.port, str(self._stack.keys.edge_ca), "PATCH", path, size, seed, bearer, **more)


class SluiceResumed(SluiceByTus):
    name = "sluice-resumed"
    cut = True


class SluiceAppends8(SluiceByTus):
    name = "sluice-appends-8"
    append = 8 * MIB


class SluiceAppends32(SluiceByTus):
    name = "sluice-appends-32"
    append = 32 * MIB


class SluiceAppends64(SluiceByTus):
    """As the page sends on a line this fast: web_app/pages/static/pages/pieces.js."""

    name = "sluice-appends-64"
    append = 64 * MIB


GBIT = 125_000_000  # bytes a second


class SluiceAt1Gbit(Sluice):
    """What most senders have at best."""

    name = "sluice-1gbit"
    rate = GBIT


class SluiceAppends32At1Gbit(SluiceAppends32):
    name = "sluice-appends-32-1gbit"
    rate = GBIT


class SluiceAppends64At1Gbit(SluiceAppends64):
    name = "sluice-appends-64-1gbit"
    rate = GBIT
