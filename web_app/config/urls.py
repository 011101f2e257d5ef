from django.contrib import admin
from django.urls import include, path

from web_app.config.health import healthz
from web_app.config.well_known import change_password, security_txt

urlpatterns = [
    path("healthz", healthz, name="healthz"),
    path(".well-known/change-password", change_password),
    path(".well-known/security.txt", security_txt),
    path("accounts/", include("web_app.accounts.urls")),
    path("api/v1/", include("web_app.api.urls")),
    path("api/v1/", include("web_app.collections.urls")),
    path("api/v1/", include("web_app.grants.urls")),
    path("admin/", admin.site.urls),
    path("", include("web_app.pages.urls")),
]

handler400 = "web_app.config.failures.bad_request"
handler404 = "web_app.config.failures.not_found"
handler500 = "web_app.config.failures.server_error"
