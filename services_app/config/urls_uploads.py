"""What the uploads listener serves: bodies, nothing else."""

from django.urls import path

from services_app.uploads import bodies

urlpatterns = [path("u", bodies.begin), path("u/<uuid:upload_id>", bodies.append)]
handler404 = "services_app.uploads.questions.not_found"
