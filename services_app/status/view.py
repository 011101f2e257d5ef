from django.http import JsonResponse

from services_app.uploads import errors
from services_app.uploads.wire.callers import from_web_app

from . import page, report


@from_web_app
def status(request):
    """What this tier's `manage.py status` shows, for web_app's."""
    if request.method != "GET":
        raise errors.MethodNotAllowed("GET")
    found = report.report()
    return JsonResponse({"report": found, "page": page.lines(found)})
