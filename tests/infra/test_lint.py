"""The linters' opinion of ansible/ and docker-compose.yml; they come with ./run infra's own environment."""

from dev.paths import ROOT
from tests.infra.engine import run


def test_yaml_is_clean():
    run("yamllint", "--strict", "--config-file", ".yamllint", "ansible", "docker-compose.yml", "docker-compose.postgresql.yml", cwd=ROOT)


def test_ansible_lint_has_nothing_to_say_at_its_production_profile():
    run("ansible-lint", "--offline", "--strict", cwd=ROOT / "ansible", seconds=900)


def test_compose_reads_its_files():
    for more in ((), ("--file", "docker-compose.postgresql.yml")):
        run("docker-compose", "--file", "docker-compose.yml", *more, "config", "--quiet", cwd=ROOT)
