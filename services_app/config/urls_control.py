"""What the control listener serves: everything small, so that it stays quick while bodies stream elsewhere."""

from django.urls import include, path

from services_app.config import health
from services_app.metrics.view import metrics
from services_app.status.view import status
from services_app.uploads import questions
from services_app.uploads.authorize import authorize

urlpatterns = [
    path("authorize", authorize),
    path("u", questions.grant_state),
    path("u/check", questions.check),
    path("u/names", questions.names),
    path("u/<uuid:upload_id>", questions.one_upload),
    path("internal/v1/status", status),
    path("internal/v1/", include("services_app.internal.urls")),
    path("healthz", health.alive),
    path("readyz", health.ready),
    path("metrics", metrics),
]
handler404 = "services_app.uploads.questions.not_found"
