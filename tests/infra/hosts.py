"""Two hosts as an operator gets them: Debian 13 with systemd, sshd and nothing of Sluice; and an inventory that knows them."""

import dataclasses
import os
import secrets
import shutil
from pathlib import Path

import yaml

from dev import pki
from dev.paths import ROOT
from tests.infra.engine import HOST, run
from tests.infra.load import PER_ADDRESS

NUMBER = os.environ.get("INFRA_NETWORK", "84")  # another one lets two runs have hosts at once
NETWORK = f"sluice-infra-{NUMBER}"
PREFIX = f"172.30.{NUMBER}"
ADDRESSES = {"web": f"{PREFIX}.20", "services": f"{PREFIX}.10"}
# Beside the two tiers: who watches; and with --on-postgresql the database, and a second web host that it makes possible.
WATCHER, ON_POSTGRESQL = {"monitoring": f"{PREFIX}.40"}, {"database": f"{PREFIX}.30", "web2": f"{PREFIX}.21"}
PUBLIC_NAME = "upload.sluice.test"
NAS = "/srv/sluice/nas"
EXPORT = "/export/sluice"  # stands in for the NAS: mounted from outside, survives a reboot
ENTER = ("--cap-add", "SYS_ADMIN", "--cap-add", "SYS_PTRACE", "--cap-add", "NET_ADMIN", "--cap-add", "LINUX_IMMUTABLE")
SHARED_MOUNTS = """[Unit]
DefaultDependencies=no
Before=sysinit.target
[Service]
Type=oneshot
ExecStart=mount --make-rshared /
[Install]
WantedBy=sysinit.target
"""


@dataclasses.dataclass
class Hosts:
    folder: Path
    wheelhouse: Path | None
    postgresql: bool = False

    @property
    def addresses(self) -> dict[str, str]:
        """By host; its group in the inventory is its name without a number."""
        return ADDRESSES | WATCHER | (ON_POSTGRESQL if self.postgresql else {})

    def name(self, host: str) -> str:
        return f"{NETWORK}-{host}"

    def make(self) -> None:
        """From nothing, and converged; hosts that an earlier run left in this folder (conftest: --keep-hosts) stay as they are.

        Kept ones that do not start are an error: what they were is not thrown away for that.
        """
        if (self.folder / "inventory/hosts.yml").exists():
            run("docker", "start", *map(self.name, self.addresses))
            return
        self.remove()
        shutil.rmtree(self.folder)
        self.folder.mkdir()
        run("docker", "network", "create", "--subnet", f"{PREFIX}.0/24", NETWORK)
        for tier, address in self.addresses.items():
            run(
                *("docker", "run", "--detach", "--name", self.name(tier), "--hostname", tier, *ENTER),
                *("--security-opt", "seccomp=unconfined", "--cgroupns=host", "-v", "/sys/fs/cgroup:/sys/fs/cgroup:ro"),
                *("--tmpfs", "/run:exec", "--tmpfs", "/run/lock", "--tmpfs", "/tmp"),
                *("--network", NETWORK, "--ip", address, HOST),
            )
            self.booted(tier)
            self.share_mounts(tier)
        # A Prometheus that was there before.
        self.sh("monitoring", "apt-get update -q && apt-get install -q -y --no-install-recommends prometheus curl", seconds=600)
        self.sh("services", f"install -d -o 10003 -g 10003 -m 0750 {EXPORT}")
        self._inventory()
        self.playbook()

    def booted(self, tier: str) -> None:
        self.sh(tier, "until systemctl is-system-running | grep -qE 'running|degraded'; do sleep 1; done", seconds=120)

    def share_mounts(self, tier: str) -> None:
        """systemd shares its mounts at boot, and LoadCredential counts on that; in a container it leaves them private."""
        path = "/etc/systemd/system/shared-mounts.service"
        self.sh(tier, f"cat > {path} <<'END'\n{SHARED_MOUNTS}END\nsystemctl enable --now shared-mounts.service")

    def reboot(self, tier: str) -> None:
        run("docker", "restart", "--time", "30", self.name(tier))
        self.booted(tier)

    def sh(self, tier: str, line: str, *, check: bool = True, seconds: float = 300) -> str:
        return run("docker", "exec", self.name(tier), "sh", "-c", line, check=check, seconds=seconds).stdout

    def lose_database(self, tier: str) -> None:
        """That tier's, with everything in it."""
        if self.postgresql:
            self.sh("database", f"psql -U postgres -qc 'DROP DATABASE sluice_{tier} WITH (FORCE)'")
        else:
            self.sh(tier, f"rm /var/lib/sluice/{'web_app' if tier == 'web' else tier}.sqlite3*")

    def playbook(self, *arguments: str, name: str = "site.yml", check: bool = True) -> str:
        inventory = self.folder / "inventory/hosts.yml"
        env = ("env", "ANSIBLE_FORCE_COLOR=0", "ANSIBLE_NOCOLOR=1", "LC_ALL=C.UTF-8")
        command = (*env, "ansible-playbook", "-i", str(inventory), name, *arguments)
        return run(*command, seconds=1500, check=check, cwd=ROOT / "ansible").stdout

    def roles(self, group: str, *names: str, options: tuple[str, ...] = ()) -> str:
        """These alone, which is quicker than the whole of site.yml."""
        play = {"hosts": group, "become": True, "roles": list(names)}
        (self.folder / "roles.yml").write_text(yaml.safe_dump([play]))
        if not (self.folder / "templates").exists():  # what roles share lies beside the playbook
            (self.folder / "templates").symlink_to(ROOT / "ansible/templates")
        options = ("-e", f"app_release_repository={ROOT}", *options)
        return self.playbook(*options, name=str(self.folder / "roles.yml"))

    def client_addresses(self, uploads: int) -> tuple[str, ...]:
        """Addresses of this machine beside the hosts, enough for so many uploads: one address may send 24 bodies at once."""
        bridge = "br-" + run("docker", "network", "inspect", "--format", "{{.Id}}", NETWORK).stdout[:12]
        addresses = tuple(f"{PREFIX}.{number}" for number in range(101, 101 + -(-uploads // PER_ADDRESS)))
        for address in addresses:
            run("ip", "address", "replace", f"{address}/24", "dev", bridge)
        return addresses

    def remove(self) -> None:
        run("docker", "rm", "--force", "--volumes", *map(self.name, ADDRESSES | WATCHER | ON_POSTGRESQL), check=False)
        run("docker", "network", "rm", NETWORK, check=False)

    def _inventory(self) -> None:
        """inventory/example with values for these hosts; variables that are not named here are the example's."""
        inventory, example = self.folder / "inventory", ROOT / "ansible/inventory/example"
        hosts = yaml.safe_load((example / "hosts.yml").read_text())
        shared = yaml.safe_load((example / "group_vars/all/main.yml").read_text())
        vault = yaml.safe_load((example / "group_vars/all/vault.example.yml").read_text())
        for group in ("web", "services", "database", "monitoring"):
            hosts["all"]["children"][group]["hosts"] = {
                self.name(host): {
                    "sluice_address": address,
                    "ansible_connection": "community.docker.docker",
                    "ansible_become": False,
                }
                for host, address in self.addresses.items()
                if host.rstrip("2") == group
            }
        edge = pki.Authority(self.folder / "edge", "Infra edge CA")
        certificate, key = edge.issue("edge", PUBLIC_NAME, server=True)
        shared |= {
            "sluice_public_name": PUBLIC_NAME,
            "nginx_edge_certificate": str(certificate),
            "nginx_edge_key": str(key),
            "nas_source": EXPORT,
            "nas_type": "none",
            "nas_options": "bind,nodev,nosuid,noexec",
            # The kernel belongs to the machine that runs the containers.
            "hardening_apply_kernel_settings": False,
            # One person alone gets half of it, and all senders are one.
            "services_app_max_concurrent": 128,
            "app_release_wheelhouse": str(self.wheelhouse) if self.wheelhouse else "",
        }
        (inventory / "group_vars/all").mkdir(parents=True)
        (inventory / "hosts.yml").write_text(yaml.safe_dump(hosts))
        (inventory / "group_vars/all/main.yml").write_text(yaml.safe_dump(shared))
        filled = yaml.safe_dump({name: secrets.token_urlsafe(32) for name in vault})
        (inventory / "group_vars/all/vault.yml").write_text(filled)
