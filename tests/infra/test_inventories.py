"""What site.yml sets up, and what it refuses before it has touched a host. No host is needed for that."""

import itertools

import pytest
import yaml

from dev.paths import ROOT
from tests.infra.engine import run

NOBODY = ("-e", "ansible_host=127.0.0.1", "-e", "ansible_port=1")  # answers at once that nobody is there
REFUSED = {
    "no services host": ({"web": 1}, "must hold a host in web and another one in services"),
    "two services hosts": ({"web": 2, "services": 2, "database": 1}, "More than one services host is not supported"),
    "two web hosts on SQLite": ({"web": 2, "services": 1}, "Several web hosts need one database"),
    "two databases": ({"web": 1, "services": 1, "database": 2}, "The group database holds one host at most"),
}


def site(tmp_path, hosts: dict) -> str:
    (tmp_path / "hosts.yml").write_text(yaml.safe_dump({"all": {"children": hosts}}))
    command = ("ansible-playbook", "-i", str(tmp_path / "hosts.yml"), "site.yml", *NOBODY)
    return run("env", "ANSIBLE_NOCOLOR=1", "LC_ALL=C.UTF-8", *command, cwd=ROOT / "ansible", check=False).stdout


@pytest.mark.parametrize("case", REFUSED)
def test_what_would_not_work_is_refused_before_anything_is_changed(tmp_path, case):
    counts, message = REFUSED[case]
    numbers = itertools.count(10)
    hosts = {
        group: {"hosts": {f"{group}{at}.test": {"sluice_address": f"192.0.2.{next(numbers)}"} for at in range(count)}}
        for group, count in counts.items()
    }
    said = site(tmp_path, hosts)
    assert message in " ".join(said.split()) and "What every host needs" not in said


def test_a_database_is_never_on_the_edge_and_no_two_hosts_share_an_address(tmp_path):
    web = {"hosts": {"one.test": {"sluice_address": "192.0.2.10"}}}
    services = {"hosts": {"two.test": {"sluice_address": "192.0.2.11"}}}
    assert "Never a web host" in site(tmp_path, {"web": web, "services": services, "database": web})
    services["hosts"]["two.test"]["sluice_address"] = "192.0.2.10"
    said = site(tmp_path, {"web": web, "services": services})
    assert "Two hosts have the same sluice_address" in said


@pytest.mark.parametrize("example", ["example", "example-balanced"])
def test_the_examples_are_taken(tmp_path, example):
    hosts = yaml.safe_load((ROOT / "ansible/inventory" / example / "hosts.yml").read_text())["all"]["children"]
    said = site(tmp_path, hosts)
    assert "What every host needs" in said and "FAILED!" not in said and said.count("UNREACHABLE!") >= 2
