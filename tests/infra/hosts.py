"""Two hosts as an operator gets them: Debian 13 with systemd, sshd and nothing of Sluice; and an inventory that knows them."""

import dataclasses
import secrets
from pathlib import Path

import yaml

from dev import pki
from dev.paths import ROOT
from tests.infra.engine import HOST, run

NETWORK = "sluice-infra-hosts"
PREFIX = "172.30.84"
ADDRESSES = {"web": f"{PREFIX}.20", "services": f"{PREFIX}.10"}
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

    def name(self, tier: str) -> str:
        return f"sluice-infra-{tier}"

    def make(self) -> None:
        self.remove()
        run("docker", "network", "create", "--subnet", f"{PREFIX}.0/24", NETWORK)
        for tier, address in ADDRESSES.items():
            run(
                *("docker", "run", "--detach", "--name", self.name(tier), "--hostname", f"{tier}1", *ENTER),
                *("--security-opt", "seccomp=unconfined", "--cgroupns=host", "-v", "/sys/fs/cgroup:/sys/fs/cgroup:ro"),
                *("--tmpfs", "/run:exec", "--tmpfs", "/run/lock", "--tmpfs", "/tmp"),
                *("--network", NETWORK, "--ip", address, HOST),
            )
            self.booted(tier)
            self.share_mounts(tier)
        self.sh("services", f"install -d -o 10003 -g 10003 -m 0750 {EXPORT}")
        self._inventory()

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

    def playbook(self, *arguments: str) -> str:
        inventory = self.folder / "inventory/hosts.yml"
        env = ("env", "ANSIBLE_FORCE_COLOR=0", "ANSIBLE_NOCOLOR=1", "LC_ALL=C.UTF-8")
        command = (*env, "ansible-playbook", "-i", str(inventory), "site.yml", *arguments)
        return run(*command, seconds=1500, cwd=ROOT / "ansible").stdout

    def remove(self) -> None:
        run("docker", "rm", "--force", "--volumes", *(self.name(tier) for tier in ADDRESSES), check=False)
        run("docker", "network", "rm", NETWORK, check=False)

    def _inventory(self) -> None:
        """inventory/example with values for these hosts; variables that are not named here are the example's."""
        inventory, example = self.folder / "inventory", ROOT / "ansible/inventory/example"
        hosts = yaml.safe_load((example / "hosts.yml").read_text())
        shared = yaml.safe_load((example / "group_vars/all/main.yml").read_text())
        vault = yaml.safe_load((example / "group_vars/all/vault.example.yml").read_text())
        for tier, address in ADDRESSES.items():
            group = hosts["all"]["children"][tier]
            group["hosts"] = {
                self.name(tier): {"sluice_address": address, "ansible_connection": "community.docker.docker", "ansible_become": False}
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
            "app_release_wheelhouse": str(self.wheelhouse) if self.wheelhouse else "",
        }
        (inventory / "group_vars/all").mkdir(parents=True)
        (inventory / "hosts.yml").write_text(yaml.safe_dump(hosts))
        (inventory / "group_vars/all/main.yml").write_text(yaml.safe_dump(shared))
        filled = yaml.safe_dump({name: secrets.token_urlsafe(32) for name in vault})
        (inventory / "group_vars/all/vault.yml").write_text(filled)
