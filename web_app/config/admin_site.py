"""Operators' admin, behind the same door as everything else."""

from django.contrib.admin import AdminSite
from django.contrib.auth.views import redirect_to_login
from django.core.exceptions import PermissionDenied
from django.urls import reverse


class SluiceAdminSite(AdminSite):
    site_header = site_title = "Sluice"
    index_title = "Operators"

    def login(self, request, extra_context=None):
        """One log-in page only: the admin's own would be a second one, without the throttle."""
        if request.user.is_authenticated:
            raise PermissionDenied
        return redirect_to_login(request.GET.get("next") or reverse("admin:index"))
