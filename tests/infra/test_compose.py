"""docker-compose.yml from nothing, on SQLite and on PostgreSQL: built, up, an upload, down and up again."""

import json

import pytest

from dev.paths import ROOT
from tests.infra.engine import SIZE, run
from tests.infra.uploads import Edge

PROJECT = "sluice-infra"
RUNNING = ("nginx", "web_app", "reconcile", "uploads", "control")
FILES = {"sqlite": "docker-compose.yml", "postgresql": "docker-compose.yml:docker-compose.postgresql.yml"}


def compose(*arguments: str, seconds: float = 900, check: bool = True) -> str:
    command = ("docker-compose", "--project-name", PROJECT, *arguments)
    return run(*command, seconds=seconds, check=check, cwd=ROOT).stdout


def manage(*arguments: str, env: dict[str, str] | None = None) -> str:
    options = [part for name, value in (env or {}).items() for part in ("-e", f"{name}={value}")]
    return compose("exec", "-T", *options, "web_app", "python3", "web_app/manage.py", *arguments)


def container(service: str) -> dict:
    return json.loads(run("docker", "inspect", compose("ps", "--quiet", service).strip()).stdout)[0]


@pytest.fixture(scope="module", params=FILES)
def database(request):
    """Which one; compose itself asks for COMPOSE_FILE."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("COMPOSE_FILE", FILES["postgresql"])
        compose("down", "--volumes", "--remove-orphans")
        patch.setenv("COMPOSE_FILE", FILES[request.param])
        yield request.param


@pytest.fixture(scope="module")
def edge(docker, database, tmp_path_factory):
    compose("build", "--quiet")
    compose("up", "--detach")
    try:
        _until_healthy()
        user = {"USERNAME": "operator", "PASSWORD": "long enough for a trial", "EMAIL": "operator@example.org"}
        manage("createsuperuser", "--noinput", env={f"DJANGO_SUPERUSER_{name}": value for name, value in user.items()})
        manage("create_collection", "demo", "--title", "Demo", "--member", "operator")
        ca = tmp_path_factory.mktemp("edge") / "ca.crt"
        ca.write_text(compose("exec", "-T", "nginx", "cat", "/etc/sluice/edge-ca.crt"))
        yield Edge("https://localhost:8443", ca, manage("create_api_key", "operator", "--label", "infra").split()[-1])
    finally:
        compose("down", "--volumes")


def _until_healthy() -> None:
    """compose 1.29 has no --wait."""
    names = [compose("ps", "--quiet", name).strip() for name in RUNNING if name != "reconcile"]
    for name in names:
        asked = f"docker inspect -f '{{{{.State.Health.Status}}}}' {name}"
        run("timeout", "180", "sh", "-c", f"until {asked} | grep -qx healthy; do sleep 1; done")


@pytest.fixture(scope="module")
def upload(edge, big_file):
    status, upload = edge.put("demo", big_file[0])
    assert status == 201, upload
    return upload


def test_a_file_of_327_mib_arrives_and_its_receipt_verifies(edge, upload, big_file):
    claims = edge.receipt(upload)
    assert (claims["size"], claims["sha256"]) == (SIZE, big_file[1])
    stored = compose("exec", "-T", "control", "sh", "-c", f"sha256sum /srv/nas/collections/demo/*/*/{upload['upload_id']}/scan.bin")
    assert stored.split()[0] == big_file[1]


@pytest.mark.parametrize("service", (*RUNNING, "database"))
def test_a_container_can_do_nothing_but_its_work(edge, database, service):
    if (service, database) == ("database", "sqlite"):
        pytest.skip("SQLite is no service.")
    found = container(service)
    host = found["HostConfig"]
    assert host["ReadonlyRootfs"] and host["CapDrop"] == ["ALL"] and "no-new-privileges:true" in host["SecurityOpt"]
    assert host["MemorySwap"] == host["Memory"] > 0 and host["PidsLimit"] > 0
    assert {limit["Name"]: limit["Hard"] for limit in host["Ulimits"]} == {"core": 0}
    status = compose("exec", "-T", service, "cat", "/proc/1/status")
    fields = dict(line.split(":\t", 1) for line in status.splitlines() if ":\t" in line)
    assert "0" not in fields["Uid"].split()
    assert (fields["CapEff"], fields["CapBnd"], fields["NoNewPrivs"]) == ("0" * 16, "0" * 16, "1")
    refused = "touch /probe /opt/sluice/probe /tmp/probe /var/tmp/probe /etc/sluice/probe"
    assert compose("exec", "-T", service, "sh", "-c", f"{refused} 2>&1 || true").count("Read-only file system") == 5


def test_nginx_can_write_nowhere_that_would_hold_a_body(edge):
    """Every folder on which something is mounted, as the user that nginx runs as finds it."""
    script = "cut -d' ' -f2 /proc/self/mounts | while read place; do test -d $place -a -w $place && echo $place; done; true"
    writable = set(compose("exec", "-T", "nginx", "sh", "-c", script).split())
    # A message queue holds messages of 8 KiB and no files.
    assert writable - {"/dev/mqueue"} == {"/dev/shm", "/opt/sluice/nginx/run"}
    sizes = compose("exec", "-T", "nginx", "df", "--output=target,size", "/dev/shm", "/opt/sluice/nginx/run")
    assert {line.split()[1] for line in sizes.splitlines()[1:]} == {"64"}
    refused = compose("exec", "-T", "nginx", "sh", "-c", "touch /dev/probe /run/sluice/probe 2>&1 || true")
    assert refused.count("cannot touch") == 2


def test_the_nas_is_mounted_on_the_services_tier_alone(edge):
    volume = f"{PROJECT}_nas"
    having = {name for name in RUNNING if volume in [mount.get("Name") for mount in container(name)["Mounts"]]}
    assert having == {"uploads", "control"}


def test_only_nginx_has_a_published_port_and_the_services_tier_answers_nobody_else(edge):
    published = {name for name in RUNNING if any(container(name)["NetworkSettings"]["Ports"].values())}
    assert published == {"nginx"}
    addresses = [container(name)["NetworkSettings"]["Networks"][f"{PROJECT}_link"]["IPAddress"] for name in ("uploads", "control")]
    tried = " ".join(f"https://{address}:{port}/" for address, port in zip(addresses, (8001, 8002), strict=True))
    ask = f"for url in {tried}; do curl -sk -m 3 -o /dev/null $url; echo $?; done"
    inside = compose("exec", "-T", "web_app", "sh", "-c", ask).split()
    assert not {"7", "28"} & set(inside), "they are reachable where they should be: refused by TLS, not by the network"
    third = ("docker", "run", "--rm", "--network", f"{PROJECT}_edge", "--entrypoint", "sh", "sluice-nginx", "-c", ask)
    assert run(*third).stdout.split() == ["28", "28"]


def test_a_tier_gets_into_its_own_database_alone(edge, database):
    if database == "sqlite":
        pytest.skip("SQLite is a file in a volume of each tier.")
    script = (
        "import psycopg\nurl = open('/etc/sluice/database-url').read().strip()\n"
        "for wanted in (url, url.replace('/sluice_web?', '/sluice_services?'), url.replace('/sluice_web?', '/postgres?'),"
        " url.replace('verify-full', 'disable')):\n"
        " try: psycopg.connect(wanted).close(); print('in')\n except psycopg.OperationalError: print('out')"
    )
    assert compose("exec", "-T", "web_app", "python3", "-c", script).split() == ["in", "out", "out", "out"]


def test_a_database_that_is_away_is_said_and_comes_back_without_a_restart(edge, database):
    if database == "sqlite":
        pytest.skip("SQLite is never away.")
    compose("stop", "database")
    try:
        status, problem = edge.api("/api/v1/uploads", {"collection": "demo"})
        assert (status, problem["code"]) == (503, "database_unavailable")
    finally:
        compose("start", "database")
        _until_healthy()
    assert edge.put("demo", ROOT / "README.md")[0] == 201


def test_down_and_up_again_keeps_everything(edge, upload, big_file):
    compose("down")
    compose("up", "--detach")
    _until_healthy()
    status, grant = edge.api(f"/api/v1/uploads/{edge.receipt(upload)['grant']}")
    assert (status, grant["state"]) == (200, "complete")
    stored = compose("exec", "-T", "control", "sh", "-c", f"sha256sum /srv/nas/collections/demo/*/*/{upload['upload_id']}/scan.bin")
    assert stored.split()[0] == big_file[1]
    status, another = edge.put("demo", ROOT / "README.md")
    assert status == 201 and edge.receipt(another)["size"] == (ROOT / "README.md").stat().st_size
