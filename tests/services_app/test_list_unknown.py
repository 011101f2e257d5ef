"""`list_unknown`: after an older database was restored, what stands on the store and is not in it is named."""

import shutil
import uuid
from io import StringIO

import pytest
from django.core.management import call_command

from services_app.uploads import actions, recover
from services_app.uploads.models import Upload
from tests.services_app.making import COLLECTION, announced, begun, claims_object

pytestmark = pytest.mark.django_db


def said() -> str:
    out = StringIO()
    call_command("list_unknown", stdout=out)
    return out.getvalue()


def test_what_is_stored_and_not_in_the_database_is_listed_and_nothing_else(known_store, nas):
    upload = begun(claims_object(), announced(4))
    with known_store.stage(upload.id) as staged:
        staged.write(memoryview(b"1234"))
        staged.finish()
    actions.begin_commit(upload, size=4, sha256="ab" * 32, media_type="text/plain")
    actions.release(upload)
    recover.settle(Upload.objects.select_related("grant").get(id=upload.id))
    assert said() == "unknown 0\n"
    (folder,) = nas.glob(f"collections/{COLLECTION}/*/*/{upload.id}")
    later = uuid.uuid4()
    shutil.copytree(folder, folder.with_name(str(later)))
    assert said() == f"{later} in {COLLECTION}\nunknown 1\n"
