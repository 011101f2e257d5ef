"""The internal API, for web_app alone. nginx routes none of it."""

from django.urls import path

from . import views

urlpatterns = [
    path("grants/<uuid:grant_id>", views.grant),
    path("collections/<slug:slug>", views.collection),
    path("collections/<slug:slug>/objects", views.objects),
    path("objects/<uuid:upload_id>", views.one_object),
]
