"""The web tier of the replaced design: Django spools the form's file, then sends it on."""

import os

import django
import urllib3
from django.conf import settings
from django.core.files.uploadedfile import UploadedFile
from django.core.wsgi import get_wsgi_application
from django.http import HttpRequest, JsonResponse
from django.urls import path
from django.views.decorators.http import require_POST

CHUNK = 1_000_000  # its patch: "chunked re-sending (1 MB chunks)"

settings.configure(
    ALLOWED_HOSTS=["*"],
    SECRET_KEY="bench only",
    ROOT_URLCONF=__name__,
    FILE_UPLOAD_HANDLERS=["django.core.files.uploadhandler.TemporaryFileUploadHandler"],
    FILE_UPLOAD_TEMP_DIR=os.environ["INHOUSE_TEMP"],
)


class RemoteStorageDriver:
    """Sends the spooled file on over the internal API, guarded by one static key."""

    def __init__(self):
        self._pool = urllib3.PoolManager(
            ca_certs=os.environ["INHOUSE_CA"],
            cert_file=os.environ["INHOUSE_CERT"],
            key_file=os.environ["INHOUSE_KEY"],
            server_hostname=os.environ["INHOUSE_NAME"],
            assert_hostname=os.environ["INHOUSE_NAME"],
        )

    def save(self, file: UploadedFile) -> dict:
        headers = {
            "X-API-Key": os.environ["INHOUSE_API_KEY"],
            "Content-Length": str(file.size),
            "X-File-Name": file.name,
        }
        reply = self._pool.request(
            "POST",
            os.environ["INHOUSE_SERVICES_URL"] + "/internal/files",
            body=file.chunks(CHUNK),
            headers=headers,
            retries=False,
        )
        if reply.status != 201:
            raise RuntimeError(f"services answered {reply.status}")
        return reply.json()


driver = RemoteStorageDriver()


@require_POST
def upload(request: HttpRequest) -> JsonResponse:
    return JsonResponse(driver.save(request.FILES["file"]), status=201)


urlpatterns = [path("upload", upload)]
django.setup()
application = get_wsgi_application()
