import shlex

import pytest

from dev import wheelhouse
from dev.paths import STATE
from tests.infra import engine
from tests.infra.hosts import ADDRESSES, NUMBER, PUBLIC_NAME, Hosts
from tests.infra.uploads import Edge


def pytest_addoption(parser):
    parser.addoption(
        "--keep-hosts",
        action="store_true",
        help="leave the two hosts running in the end, and take up those that were left",
    )
    parser.addoption("--on-postgresql", action="store_true", help="the hosts' databases are on a PostgreSQL server of its own host")
    parser.addoption("--uploads", type=int, default=12, help="how many run at once while a deployment is changed")


@pytest.fixture(scope="session")
def keep_hosts(request):
    """The folder of the hosts that are kept, or None."""
    if not request.config.getoption("--keep-hosts"):
        return None
    folder = STATE / "infra" / f"hosts-{NUMBER}"
    folder.mkdir(parents=True, exist_ok=True)
    return folder


@pytest.fixture(scope="session")
def hosts(request, docker, keep_hosts, tmp_path_factory):
    wheelhouse.main()
    made = Hosts(keep_hosts or tmp_path_factory.mktemp("hosts"), wheelhouse.PACKED, request.config.getoption("--on-postgresql"))
    try:
        made.make()
        yield made
    finally:
        if not keep_hosts:
            made.remove()


@pytest.fixture(scope="session")
def edge(hosts):
    user = {"USERNAME": "operator", "PASSWORD": "long enough for a trial", "EMAIL": "operator@example.org"}
    given = " ".join(f"--setenv=DJANGO_SUPERUSER_{name}={shlex.quote(value)}" for name, value in user.items())
    # createsuperuser asks a person; a test answers by variables, which the command itself does not pass on.
    line = hosts.sh("web", "cat /usr/local/sbin/sluice-web").replace(
        "--working-directory", f"{given} --working-directory"
    )
    hosts.sh(
        "web",
        f"cat > /run/sluice-web-once <<'END'\n{line}END\nsh /run/sluice-web-once createsuperuser --noinput",
        check=False,
    )
    hosts.sh("web", "sluice-web create_collection demo --title Demo --member operator")
    api_key = hosts.sh("web", "sluice-web create_api_key operator --label infra").split()[-1]
    resolve = ("--resolve", f"{PUBLIC_NAME}:443:{ADDRESSES['web']}")
    return Edge(f"https://{PUBLIC_NAME}", hosts.folder / "edge/ca.crt", api_key, resolve)


@pytest.fixture(scope="session")
def count(pytestconfig):
    """Uploads that run at once while something is changed."""
    return pytestconfig.getoption("--uploads")


@pytest.fixture(scope="session")
def docker():
    """docker answers, and both images are there."""
    engine.need()
    engine.images()


@pytest.fixture(scope="session")
def big_file(tmp_path_factory):
    """(path, SHA-256) of 327 MiB."""
    path, digest = engine.big_file(tmp_path_factory.mktemp("big"))
    yield path, digest
    path.unlink()
