"""Restarts while uploads run. Of units on systemd's sockets, and of nginx's reload, nobody learns; a reboot is mended by senders."""

import pytest

from tests.infra.hosts import ADDRESSES
from tests.infra.load import under_load

# nginx is never restarted, which would cut bodies, and the uploads listener by its successor (below).
RESTARTED = {
    "web": ("restart sluice-web.service", "restart sluice-reconcile.service", "reload sluice-nginx.service", "start {}.service"),
    "services": ("restart sluice-control.service", "start {}.service"),
}


def restart(hosts) -> None:
    for tier, lines in RESTARTED.items():
        for line in lines:
            for name in tasks(hosts, tier) if "{}" in line else [""]:
                hosts.sh(tier, f"systemctl {line.format(name)}", seconds=1500)  # on kept hosts there is much to verify
        hosts.sh(tier, "systemctl is-system-running")


def tasks(hosts, tier: str) -> list[str]:
    """The services that its timers start."""
    listed = hosts.sh(tier, "systemctl list-timers --all --plain --no-legend 'sluice-*'")
    return [line.split()[-1].removesuffix(".service") for line in listed.splitlines()]


def test_a_restart_of_each_unit_costs_no_upload(hosts, edge, count):
    assert {tier: len(tasks(hosts, tier)) for tier in ADDRESSES} == {"web": 3, "services": 6}
    under_load(hosts, edge, count, lambda: restart(hosts), name="each unit, and nginx's tree")


def test_the_uploads_listener_is_restarted_by_a_successor_beside_it(hosts, edge, count):
    def instances() -> set[str]:
        listed = hosts.sh("services", "systemctl list-units --plain --no-legend --state=active 'sluice-uploads@*'")
        return {line.split()[0] for line in listed.splitlines()}

    before = instances()
    hosts.sh("services", "rm /etc/sluice/services_app.started")
    under_load(hosts, edge, count, hosts.playbook, name="site.yml, another instance")
    assert instances() - before


@pytest.mark.parametrize("tier", ADDRESSES)
def test_a_reboot_is_mended_by_senders_who_ask_and_go_on(hosts, edge, count, tier):
    def reboot():
        hosts.reboot(tier)
        hosts.sh(tier, "until systemctl is-system-running | grep -qx running; do sleep 1; done", seconds=120)

    under_load(hosts, edge, count, reboot, name=f"a reboot of the {tier} host", patient=True)


def test_a_restart_of_postgresql_is_mended_by_senders_who_ask_and_go_on(hosts, edge, count):
    """A body under way holds no connection; whoever asks meanwhile is told 503, and when to ask again."""
    if not hosts.postgresql:
        pytest.skip("needs --on-postgresql")

    def restart():
        hosts.sh("database", "systemctl restart 'postgresql@*.service'")

    under_load(hosts, edge, count, restart, name="a restart of PostgreSQL", patient=True)
