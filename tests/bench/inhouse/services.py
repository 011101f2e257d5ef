"""The services tier of the replaced design: the second transfer goes to a temporary file, which is moved.

Kinder than the original: the body is raw, so that the form is parsed only once.
"""

import hmac
import os
import tempfile

import django
from django.conf import settings
from django.core.files.move import file_move_safe
from django.core.wsgi import get_wsgi_application
from django.http import HttpRequest, JsonResponse
from django.urls import path
from django.utils.text import get_valid_filename
from django.views.decorators.http import require_POST

CHUNK = 1_000_000

settings.configure(ALLOWED_HOSTS=["*"], SECRET_KEY="bench only", ROOT_URLCONF=__name__)


@require_POST
def store(request: HttpRequest) -> JsonResponse:
    if not hmac.compare_digest(request.headers.get("X-API-Key", ""), os.environ["INHOUSE_API_KEY"]):
        return JsonResponse({"error": "key"}, status=403)
    size = 0
    with tempfile.NamedTemporaryFile(dir=os.environ["INHOUSE_TEMP"], delete=False) as spool:
        while chunk := request.read(CHUNK):
            spool.write(chunk)
            size += len(chunk)
    target = os.path.join(os.environ["INHOUSE_FILES"], get_valid_filename(request.headers["X-File-Name"]))
    file_move_safe(spool.name, target, allow_overwrite=True)
    return JsonResponse({"size": size}, status=201)


urlpatterns = [path("internal/files", store)]
django.setup()
application = get_wsgi_application()
