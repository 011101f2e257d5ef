"""rotate-keys.yml and its role as they are, over roles that only pretend: a rotation that breaks off after each single step.

No containers: two "hosts" are two folders here. What a tier *runs* with is a copy that its role makes, as in a deployment. The keys'
command is the real keyring with a judge in front of it.
"""

import json
import os
import shutil
import sys

import pytest

from dev.paths import ROOT
from tests.infra.engine import run

OVERLAP = 1  # seconds
NOTHING_RUNS = """
- name: Know what runs
  ansible.builtin.set_fact: {app_release_earlier: "1"}
"""
ROLES = {
    "app_release/tasks/main.yml": NOTHING_RUNS,
    "app_release/tasks/standing.yml": NOTHING_RUNS,
    "signing_keys/tasks/main.yml": """
- name: Bring it to the other tier
  ansible.builtin.copy: {src: "{{ hosts_folder }}/web/keys", dest: "{{ hosts_folder }}/services/known", mode: "0600"}
  when: "'services' in group_names"
""",
    "services_app/tasks/main.yml": """
- name: Take up what is known
  ansible.builtin.copy: {src: "{{ hosts_folder }}/services/known", dest: "{{ hosts_folder }}/services/runs", mode: "0600"}
""",
    "web_app/tasks/main.yml": """
- name: Take up what signs
  ansible.builtin.copy: {src: "{{ hosts_folder }}/web/keys", dest: "{{ hosts_folder }}/web/runs", mode: "0600"}
""",
}
COMMAND = f"""#!{sys.executable}
import json, os, sys, time
from pathlib import Path
sys.path.insert(0, {str(ROOT)!r})
from web_app.tokens.keyring import Keyring
here = Path(__file__).parent
keyring, action, kid = Keyring(here / "web/keys"), sys.argv[1], (sys.argv[2:] or [None])[0]
if action == "list":
    print(*(one + (" signs" if one == keyring.kids()[-1] else "") for one in keyring.kids()), sep="\\n")
elif action == "new":
    keyring.add()
elif action == "sign-with":
    if kid not in Keyring(here / "services/runs").kids():
        sys.exit("JUDGE: it would sign with what the other tier does not know")
    keyring.sign_with(kid)
elif action == "retire":
    runs = here / "web/runs"
    if Keyring(runs).kids()[-1] == kid or time.time() - runs.stat().st_mtime < {OVERLAP}:
        sys.exit("JUDGE: too early, what it signed may still be in use")
    keyring.retire(kid)
"""
BREAK_OFF = """
import os
from ansible.plugins.callback import CallbackBase

class CallbackModule(CallbackBase):
    CALLBACK_VERSION, CALLBACK_TYPE, CALLBACK_NAME = 2.0, "aggregate", "break_off"

    def v2_runner_on_ok(self, result):
        if result._result.get("changed"):
            print("BROKEN OFF AFTER", result._task.get_name(), flush=True)
            os._exit(9)
"""


@pytest.fixture
def trial(tmp_path):
    """`trial(overlap)` runs the playbook until it has changed one thing; `trial.kids()` are the keys, the one that signs last."""
    play, hosts = tmp_path / "play", tmp_path / "hosts"
    shutil.copytree(ROOT / "ansible/roles/key_rotation", play / "roles/key_rotation")
    shutil.copy(ROOT / "ansible/rotate-keys.yml", play)
    for name, content in ROLES.items() | {("callbacks/break_off.py", BREAK_OFF)}:
        path = play / ("" if name.startswith("callbacks") else "roles") / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)
    for tier in ("web", "services"):
        (hosts / tier).mkdir(parents=True)
    command = hosts / "command"
    command.write_text(COMMAND)
    command.chmod(0o700)
    run(str(command), "new")
    for copy in ("web/runs", "services/known", "services/runs"):
        shutil.copy(hosts / "web/keys", hosts / copy)
    own = {"ansible_connection": "local", "ansible_become": False, "ansible_python_interpreter": sys.executable}
    (play / "hosts.json").write_text(json.dumps({tier: {"hosts": {tier + "1": own}} for tier in ("web", "services")}))
    shared = {"rotate_keys": "token", "hosts_folder": str(hosts), "key_rotation_command": str(command)}
    shared["key_rotation_note"] = str(hosts / "web/note")
    shared["key_rotation_file"] = str(hosts / "web/keys")

    def start(overlap: int, *, broken: bool = True) -> tuple[str, bool]:
        """Its output, and whether it ran to its end."""
        env = {**os.environ, "ANSIBLE_GATHERING": "explicit", "TZ": "Etc/GMT+11"}  # a clock that is not UTC
        env |= {"ANSIBLE_CALLBACK_PLUGINS": str(play / "callbacks")} if broken else {}
        given = json.dumps(shared | {"key_rotation_overlap": overlap})
        done = run("ansible-playbook", "-i", "hosts.json", "rotate-keys.yml", "-e", given, cwd=play, env=env, check=False)
        assert "JUDGE" not in done.stdout, done.stdout[-4000:]
        return done.stdout + done.stderr, done.returncode == 0

    start.kids = lambda: [line.split()[0] for line in run(str(command), "list").stdout.splitlines()]
    start.hosts = hosts
    return start


def test_a_rotation_that_breaks_off_after_each_step_goes_on_and_retires_nothing_early(trial):
    """Each run breaks off behind the first thing that it changes, and before the next one begins the overlap has passed."""
    (old,) = trial.kids()
    note, steps, asked = trial.hosts / "web/note", [], False
    while not steps or note.exists():
        said, whole = trial(OVERLAP)
        assert whole or "BROKEN OFF AFTER" in said, said
        steps.append(said.split("BROKEN OFF AFTER ")[1].splitlines()[0])
        if not asked and note.exists() and len(note.read_text().split()) == 2:
            asked = True
            said, whole = trial(3600)
            assert whole and "valid until" in said and trial.kids()[0] == old, "the overlap has not passed"
    print(*steps, sep="\n")
    assert asked and sum("Let it sign" in step for step in steps) == 1
    assert len(trial.kids()) == 1 and trial.kids() != [old], "and the next rotation was not begun"
    assert {(trial.hosts / copy).read_text() for copy in ("services/runs", "web/runs")} == {(trial.hosts / "web/keys").read_text()}


def test_nothing_signs_with_a_key_that_the_other_tier_could_not_be_given(trial):
    (old,) = trial.kids()
    shutil.rmtree(trial.hosts / "services")  # nothing can be put there
    said, whole = trial(OVERLAP, broken=False)
    assert not whole and trial.kids()[-1] == old, said
