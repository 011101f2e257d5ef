"""What the bench asks of a target: start fresh, say what to send, name its processes, stop."""

import abc
import shutil
from pathlib import Path

import dev.nginx
from dev.pki import Pki
from tests.bench import ground
from tests.bench.client import Plan

MIB = 1 << 20


# Sluice's own TLS settings, so that all edges do the same work.
SNIPPETS = dev.nginx.TREE / "snippets"


class Target(abc.ABC):
    """One way of getting a file from a client to the services tier. All that it makes lies under `folder`."""

    name: str
    digest: str  # of the content, made on the way
    durable: bool  # fsync of the content before it counts as stored
    size = 0  # bytes of its file, whatever size was asked for; 0: that one
    inside: str  # what the hop between the tiers speaks

    def __init__(self, folder: Path, pki: Pki):
        self.folder = folder
        self.pki = pki
        self.processes = ground.Processes(folder)

    @abc.abstractmethod
    def start(self) -> None:
        """Return when the target answers. Raise Unavailable where this machine lacks something for it."""

    @abc.abstractmethod
    def ask(self, size: int, seed: int) -> Plan:
        """Do what comes before the first byte (token, tus creation); the request that carries the file."""

    @abc.abstractmethod
    def tiers(self) -> dict[str, dict[str, int]]:
        """Tier (`web`, `services`) → label → process id."""

    @abc.abstractmethod
    def store(self) -> Path:
        """The folder of finished uploads."""

    @abc.abstractmethod
    def web_folders(self) -> list[Path]:
        """Every folder of its own that the web tier's processes may write to."""

    def make_durable(self, size: int) -> None:  # noqa: B027  most have nothing to do
        """What comes behind the answer until the file of these bytes is as safe as Sluice's; counted in wall and tail."""

    def stop(self) -> None:
        self.processes.stop()

    def clear(self) -> None:
        shutil.rmtree(self.folder, ignore_errors=True)


class BehindEdge(Target):
    """A target behind a small edge nginx of the bench's own, with the same edge TLS as Sluice's."""

    buffered = False

    def start_edge(self, upstream: str, mtls: bool) -> None:
        self.port = ground.free_port()
        self._edge = ground.start_nginx(
            self.processes,
            "edge-nginx",
            self.folder / "edge",
            "edge.conf",
            self.port,
            body="" if self.buffered else f"include {ground.CONFS}/unbuffered.conf;",
            scheme="https" if mtls else "http",
            **self.edge_values(upstream, mtls),
        )

    def edge_values(self, upstream: str, mtls: bool) -> dict[str, object]:
        """What every edge is filled in with; certificates come last, as mtls.conf names some too."""
        return {
            "mtls": (ground.CONFS / "mtls.conf").read_text() if mtls else "",
            "upstream": upstream,
            "snippets": SNIPPETS,
            "edge_cert": self.pki.edge_cert,
            "edge_key": self.pki.edge_key,
            "inside_ca": self.pki.inside_ca,
            "nginx_cert": self.pki.nginx_cert,
            "nginx_key": self.pki.nginx_key,
        }

    def start_services(self, label: str, command: list, port: int, **environment: str) -> None:
        self._services = {label: self.processes.start(label, command, port, **environment)}

    def tiers(self) -> dict[str, dict[str, int]]:
        return {"web": {"edge-nginx": self._edge}, "services": self._services}

    def store(self) -> Path:
        return self.folder / "store" / "files"

    def web_folders(self) -> list[Path]:
        return [self.folder / "edge"]

    def make_store(self) -> None:
        for part in ("files", "temp"):
            (self.folder / "store" / part).mkdir(parents=True)

    def put(self, path: str, size: int, seed: int, method: str = "PUT", **more) -> Plan:
        return Plan(self.port, str(self.pki.edge_ca), method, path, size, seed, **more)
