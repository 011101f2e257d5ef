"""Both tiers speak to their databases alike, each from its own code: what was found out for one holds for the other."""

from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize("file", ["config/database.py", "config/patience.py", "config/postgresql/base.py"])
def test_both_tiers_speak_to_a_database_alike(file):
    ours, theirs = ((ROOT / app / file).read_text() for app in ("web_app", "services_app"))
    assert ours == theirs
