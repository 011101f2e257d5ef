"""What the uploads listener serves: bodies, nothing else."""

from django.urls import path

from services_app.uploads import views

urlpatterns = [path("u", views.put)]
handler404 = "services_app.uploads.views.not_found"
