from django.http import HttpResponse

from services_app.status import report
from services_app.uploads import errors
from services_app.uploads.wire.callers import from_metrics

from .found import Found
from .shared import told


@from_metrics
def metrics(request):
    """`GET /metrics` on the control listener: this tier's numbers, of all its processes on this host."""
    if request.method != "GET":
        raise errors.MethodNotAllowed("GET")
    return HttpResponse(told(Found(report.report())), content_type="text/plain; version=0.0.4; charset=utf-8")
