"""What can be said of ansible/ and of the Dockerfiles without a host. tests/infra runs them."""

import re

import pytest

from tests.docs.markdown import ROOT

ANSIBLE = ROOT / "ansible"
ROLES = sorted(path for path in (ANSIBLE / "roles").iterdir())


def test_every_role_is_used():
    playbooks = "".join(path.read_text() for path in ANSIBLE.glob("*.yml"))
    assert set(re.findall(r"(?:- role|  name): (\w+)$", playbooks, re.MULTILINE)) >= {role.name for role in ROLES}


@pytest.mark.parametrize("role", ROLES, ids=lambda role: role.name)
def test_a_role_checks_every_variable_that_it_has_a_default_for(role):
    specs = (role / "meta/argument_specs.yml").read_text()
    assert specs.startswith("---\nargument_specs:\n  main:\n")
    defaults = role / "defaults/main.yml"
    named = re.findall(r"^(\w+):", defaults.read_text(), re.MULTILINE) if defaults.exists() else []
    assert [name for name in named if f"\n      {name}:\n" not in specs] == []


def test_the_vault_example_names_what_the_roles_ask_for_and_holds_nothing():
    lines = (ANSIBLE / "inventory/example/group_vars/all/vault.example.yml").read_text().splitlines()
    pairs = [line.split(": ") for line in lines if line.startswith("vault_")]
    assert {value for _, value in pairs} == {'""'}
    asked = {name for role in ROLES for file in role.rglob("*.yml") for name in re.findall(r"\{\{ (vault_\w+)", file.read_text())}
    assert {name for name, _ in pairs} == asked


def test_the_nginx_tree_is_copied_and_one_file_rendered():
    templates = {path.name for path in (ANSIBLE / "roles/nginx/templates").iterdir()}
    assert {name for name in templates if name.endswith(".conf.j2")} == {"site.conf.j2"}
    listed = (ANSIBLE / "roles/nginx/vars/main.yml").read_text()
    for entry in (ROOT / "nginx").iterdir():
        assert entry.name == "Dockerfile" or re.search(rf"\b{re.escape(entry.name)}\b", listed), entry.name


def test_both_apps_images_begin_with_the_same_layers():
    shared = {(ROOT / app / "Dockerfile").read_text().split("\n# the app\n")[0] for app in ("web_app", "services_app")}
    assert len(shared) == 1 and "pip" not in shared.pop().split("python3 -m venv")[1]


def test_every_image_is_made_from_one_base():
    files = "".join((ROOT / name / "Dockerfile").read_text() for name in ("nginx", "web_app", "services_app", "dev/postgresql"))
    assert re.findall(r"^ARG DEBIAN=(.*)$", files, re.MULTILINE) == ["debian:trixie-slim"] * 4


def test_the_variables_of_the_compose_file_are_documented_with_their_defaults():
    used = set(re.findall(r"\$\{(\w+):-([^}]*)\}", (ROOT / "docker-compose.yml").read_text()))
    section = (ROOT / ".env.example").read_text().split("# == docker-compose.yml ==")[1]
    assert used == set(re.findall(r"^#(\w+)=(.*)$", section, re.MULTILINE))


def test_the_rendered_site_conf_says_what_the_example_says():
    """But for names, addresses and where certificates lie."""
    place = re.compile(r"192\.0\.2\.|pki/|example\.org|^#|^$")
    lines = [line.split(" #")[0].strip() for line in (ROOT / "nginx/site.example.conf").read_text().splitlines()]
    rendered = {line.strip() for line in (ANSIBLE / "roles/nginx/templates/site.conf.j2").read_text().splitlines()}
    assert [line for line in lines if not place.search(line) and line not in rendered] == []
