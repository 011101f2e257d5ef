"""What the control listener serves: everything small, so that it stays quick while bodies stream elsewhere."""

from django.urls import include, path

from services_app.config import health
from services_app.uploads import views

urlpatterns = [
    path("authorize", views.authorize),
    path("u", views.grant_state),
    path("u/check", views.check),
    path("u/<uuid:upload_id>", views.upload_state),
    path("internal/v1/", include("services_app.internal.urls")),
    path("healthz", health.alive),
    path("readyz", health.ready),
]
handler404 = "services_app.uploads.views.not_found"
