"""What is claimed of a deployment, looked at on its hosts. verify.yml runs this; docs/operations.md: "Verify".

A test is a claim: the first line of its docstring is what is claimed, the rest how it is looked at. Each is asked of every host that
it is about, and goes into the report whatever it came to.
"""

import dataclasses
import datetime
import json
import os
from pathlib import Path

import pytest
import report
import testinfra


@dataclasses.dataclass(frozen=True)
class Deployment:
    """What verify.yml knows of it; no secret but the API key, which comes by the environment."""

    public_name: str
    hosts: dict[str, dict]  # name → {"groups": […], "address": …}
    nginx_tree: Path  # as it was reviewed: from the repository, at the commit that runs
    collection: str
    mebibytes: int
    listens: list[int]  # further ports that this place has allowed

    def of(self, group: str) -> list[str]:
        return [name for name, one in self.hosts.items() if group in one["groups"]]

    def address(self, name: str) -> str:
        return self.hosts[name]["address"]

    @property
    def api_key(self) -> str:
        return os.environ["VERIFY_API_KEY"]


def pytest_addoption(parser):
    parser.addoption("--deployment", type=Path, required=True, help="what verify.yml wrote down")
    parser.addoption("--inventory", type=Path, required=True, help="how its hosts are reached")
    parser.addoption("--report", type=Path, required=True, help="folder for report.json and report.html")


def _deployment(config) -> Deployment:
    told = json.loads(config.getoption("--deployment").read_text())
    return Deployment(**{**told, "nginx_tree": Path(told["nginx_tree"])})


@pytest.fixture(scope="session")
def deployment(pytestconfig):
    return _deployment(pytestconfig)


def pytest_generate_tests(metafunc):
    """`on` names the groups that a claim is about: pytest.mark.on("web")."""
    mark = metafunc.definition.get_closest_marker("on")
    if mark:
        known = _deployment(metafunc.config)
        names = [name for name in known.hosts if set(mark.args) & set(known.hosts[name]["groups"])]
        metafunc.parametrize("name", names)


@pytest.fixture
def host(name, pytestconfig):
    return testinfra.get_host(f"ansible://{name}?ansible_inventory={pytestconfig.getoption('--inventory')}")


@pytest.fixture
def sh(host):
    """A line for the shell of that host, as root; its output. What fails ends the claim."""

    def run(line: str) -> str:
        done = host.run(line)
        assert done.rc == 0, f"{line.splitlines()[0][:80]}: {done.rc}: {done.stderr[-300:]}"
        return done.stdout

    return run


def pytest_configure(config):
    config.addinivalue_line("markers", "on(group, …): the groups whose hosts a claim is about")
    config.sluice_results = []


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    outcome = yield
    done = outcome.get_result()
    if done.when == "call" or (done.when == "setup" and not done.passed):
        claim, _, how = (item.function.__doc__ or item.name).strip().partition("\n")
        item.config.sluice_results.append(
            report.Result(
                claim=claim.rstrip("."),
                how=" ".join(how.split()),
                host=item.callspec.params.get("name", "") if hasattr(item, "callspec") else "",
                result={"passed": "holds", "failed": "does not hold"}.get(done.outcome, "not shown"),
                why="" if done.passed else str(call.excinfo.value)[:2000],
            )
        )


def pytest_sessionfinish(session):
    known = _deployment(session.config)
    now = datetime.datetime.now(datetime.UTC)
    report.write(session.config.getoption("--report"), known.public_name, now, session.config.sluice_results)
