"""What older releases stored is still there after an upgrade, and after the way back."""

import datetime

import pytest
from django.db import connection
from django.db.migrations.executor import MigrationExecutor

from tests.migrations import columns_that_old_code_cannot_fill

pytestmark = pytest.mark.django_db(transaction=True)

NOW = datetime.datetime(2026, 11, 24, 8, 0, tzinfo=datetime.UTC)
UPLOAD = "019ab0c0-0000-7000-8000-000000000002"

# Of the time before there were deployments to upgrade.
BEFORE = {("grants", "0002_stored_uploads"), ("grants", "0003_refused"), ("grants", "0005_handed_out")}


@pytest.fixture
def migrated():
    """A function: go to a migration of `grants`; returns the models as they were then. Afterwards all are applied again."""

    def to(name):
        executor = MigrationExecutor(connection)
        executor.migrate([("grants", name)])
        return executor.loader.project_state([("grants", name)]).apps

    yield to
    executor = MigrationExecutor(connection)
    executor.migrate(executor.loader.graph.leaf_nodes())


def test_the_receipt_of_a_grant_moves_to_its_upload_and_back(migrated):
    apps = migrated("0001_initial")
    person = apps.get_model("accounts", "User").objects.create(username="ada")
    collection = apps.get_model("collections", "Collection").objects.create(
        slug="mri", title="MRI", max_size=9, max_uploads=4
    )
    common = {"uploader": person, "collection": collection, "max_size": 9, "bound_to_browser": False}
    times = {"created_at": NOW, "start_by": NOW, "expires_at": NOW}
    told = {"upload_id": UPLOAD, "size": 5, "sha256": "ab" * 32, "media_type": "a/b", "receipt": "a.b.c"}
    grants = apps.get_model("grants", "Grant").objects
    done = grants.create(**common, **times, **told, state="complete", completed_at=NOW)
    still_open = grants.create(**common, **times)

    apps = migrated("0002_stored_uploads")
    stored = apps.get_model("grants", "StoredUpload").objects.get()
    assert {name: str(getattr(stored, name)) for name in told} == {name: str(value) for name, value in told.items()}
    assert (stored.grant_id, stored.durable_at) == (done.id, NOW)
    assert dict(apps.get_model("grants", "Grant").objects.values_list("id", "max_uploads")) == {
        done.id: 1,
        still_open.id: 4,
    }

    grants = migrated("0001_initial").get_model("grants", "Grant").objects
    again = grants.get(id=done.id)
    assert {name: str(getattr(again, name)) for name in told} == {name: str(value) for name, value in told.items()}
    assert (again.state, again.completed_at) == ("complete", NOW)
    assert grants.get(id=still_open.id).upload_id is None


def test_a_column_that_is_added_is_filled_by_the_database_for_code_that_does_not_know_it():
    assert columns_that_old_code_cannot_fill("web_app", BEFORE) == []
