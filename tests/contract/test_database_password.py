"""The password of the database is the newest in its file; nothing else of it changes without a restart. Alike in both apps."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]

PROGRAM = """
import json, sys
from pathlib import Path
from django.conf import settings
from {app}.config import env, watched
given = env.database("DATABASE_URL", "")
settings.configure(DATABASE_GIVEN=given)
from {app}.config.postgresql.base import DatabaseWrapper
from {app}.config.database import configured
watched.LOOK_EVERY = 0.0
wrapper = DatabaseWrapper({{**configured(given, 2), "TIME_ZONE": None, "CONN_HEALTH_CHECKS": False, "AUTOCOMMIT": True}})
seen = []
for url in json.loads(sys.argv[1]):
    Path(sys.argv[2]).write_text(url)
    seen.append([wrapper.get_connection_params().get(name) for name in ("host", "user", "password")])
print(json.dumps(seen))
"""


@pytest.mark.parametrize("app", ["services_app", "web_app"])
def test_the_next_connection_uses_the_newest_password_and_never_another_place(app, tmp_path):
    file = tmp_path / "database-url"
    urls = ["postgres://sluice:old@db.example/sluice", "postgres://sluice:new@db.example/sluice"]
    file.write_text(urls[0])
    urls += ["postgres://other:x@db.example/sluice", "postgres://sluice:x@elsewhere.example/sluice", "nonsense", urls[0]]
    ran = subprocess.run(
        [sys.executable, "-c", PROGRAM.format(app=app), json.dumps(urls), str(file)],
        cwd=ROOT, env={"PATH": os.environ["PATH"], "DATABASE_URL_FILE": str(file)}, capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    assert ran.returncode == 0, ran.stderr
    assert [password for *_, password in json.loads(ran.stdout)] == ["old", "new", "new", "new", "new", "old"]
    assert all(place == ["db.example", "sluice"] for *place, _ in json.loads(ran.stdout))
