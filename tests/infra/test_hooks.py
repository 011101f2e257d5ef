"""Stored files are handed on by a unit of its own, where the inventory names hooks; and by none where it does not any more."""

import hashlib

from dev.paths import ROOT
from tests.infra.hosts import NAS
from tests.infra.uploads import Edge

UNIT = "sluice-services-outbox.service"
PROGRAM = f"""#!/bin/sh
umask 077
echo "$SLUICE_EVENT $SLUICE_SHA256 $(stat -c %s "$SLUICE_PATH") $(env | grep -c SECRET)" > {NAS}/handed-on
touch /opt/sluice/hook-was-here 2>/dev/null || echo sandboxed >> {NAS}/handed-on
"""
HOOKS = """[[hook]]
name = "trial"
kind = "command"
collections = "all"
since = 2020-01-01T00:00:00Z
command = ["/usr/local/bin/hook-trial"]
timeout = 60
"""


def test_the_worker_hands_on_what_is_stored_in_the_sandbox_of_all_units_and_goes_with_its_hooks(hosts, edge: Edge, tmp_path):
    (tmp_path / "hooks.toml").write_text(HOOKS)
    hosts.sh("services", f"cat > /usr/local/bin/hook-trial <<'END'\n{PROGRAM}END\nchmod 0755 /usr/local/bin/hook-trial")
    hosts.roles("services", "app_release", "services_app", options=("-e", f"services_app_hooks_file={tmp_path}/hooks.toml"))
    assert hosts.sh("services", f"systemctl is-active {UNIT}").strip() == "active"
    exposure = hosts.sh("services", f"systemd-analyze security --no-pager {UNIT} | tail -1")
    assert float(exposure.split(":")[1].split()[0]) <= 2.0, exposure
    small = ROOT / "README.md"
    status, upload = edge.put("demo", small)
    assert status == 201 and edge.receipt(upload)
    digest, size = hashlib.sha256(small.read_bytes()).hexdigest(), small.stat().st_size
    told = f"n=0; until grep -q {digest} {NAS}/handed-on 2>/dev/null; do n=$((n + 1)); test $n -lt 60 || exit 1; sleep 1; done"
    hosts.sh("services", told)
    hosts.sh("services", f"until grep -q sandboxed {NAS}/handed-on; do sleep 1; done", seconds=20)
    assert hosts.sh("services", f"head -1 {NAS}/handed-on").split() == ["stored", digest, str(size), "0"]
    assert hosts.sh("services", "sluice-services outbox --list").strip().startswith("not handed on: 0")
    hosts.roles("services", "app_release", "services_app")
    assert hosts.sh("services", f"systemctl list-unit-files --no-legend {UNIT} | wc -l").strip() == "0"
    assert hosts.sh("services", "cat /etc/sluice/services_app.env | grep -c HOOKS_FILE; true").strip() == "0"
    hosts.sh("services", f"rm -f {NAS}/handed-on /usr/local/bin/hook-trial")
