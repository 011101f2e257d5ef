"""Releases to upgrade to: clones of this repository with one commit more."""

import dataclasses
import secrets
from pathlib import Path

from dev.paths import ROOT
from tests.infra.engine import run

# One table more on either tier, which the code of before does not know: what old and new both bear.
MIGRATION = """from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("{app}", "{after}")]
    operations = [migrations.CreateModel("{model}", [("id", models.BigAutoField(primary_key=True))])]
"""
MIGRATED = {"services_app/ledger": "ledger", "web_app/grants": "grants"}


@dataclasses.dataclass(frozen=True)
class Releases:
    """Each `with_…` changes the clone and commits it; its answer are the playbook's options for that release."""

    folder: Path

    @classmethod
    def clone(cls, folder: Path) -> "Releases":
        run("git", "clone", "--quiet", "--no-hardlinks", str(ROOT), str(folder))
        return cls(folder)

    def commit(self, title: str) -> tuple[str, ...]:
        git = ("git", "-C", str(self.folder), "-c", "user.name=infra", "-c", "user.email=infra@example.org")
        run(*git, "add", "--all")
        run(*git, "commit", "--quiet", "--message", title)
        return ("-e", f"app_release_repository={self.folder}", "-e", f"app_release_version={self.head()}")

    def head(self) -> str:
        return run("git", "-C", str(self.folder), "rev-parse", "--short=12", "HEAD").stdout.strip()

    def with_a_migration(self) -> tuple[str, ...]:
        model = f"Trial{secrets.token_hex(4)}"  # hosts that are kept may have the one of an earlier run
        for place, app in MIGRATED.items():
            folder = self.folder / place / "migrations"
            last = max(path.stem for path in folder.glob("0*.py"))
            (folder / f"{int(last[:4]) + 1:04}_{model.lower()}.py").write_text(MIGRATION.format(app=app, after=last, model=model))
        return self.commit("A table more")

    def with_a_change(self, file: str, old: str | None, new: str) -> tuple[str, ...]:
        """`new` in the place of `old`; where that is None, in the end of the file, be there one or not."""
        path = self.folder / file
        content = path.read_text() if path.exists() else ""
        assert old is None or content.count(old) == 1, file
        path.write_text(content + new if old is None else content.replace(old, new))
        return self.commit(f"Another {file}")

    def go_back(self) -> None:
        run("git", "-C", str(self.folder), "reset", "--quiet", "--hard", "HEAD~1")
