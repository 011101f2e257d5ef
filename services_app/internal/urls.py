"""The internal API, for web_app alone. nginx routes none of it."""

from django.urls import path

from . import ledger, revocations, usage, views

urlpatterns = [
    path("grants", views.grants),
    path("grants/<uuid:grant_id>", views.grant),
    path("ledger", ledger.entries),
    path("ledger/checkpoint", ledger.checkpoint),
    path("ledger/continuations", ledger.continuations),
    path("revocations", revocations.revocations),
    path("usage", usage.usage),
    path("collections/<slug:slug>", views.collection),
    path("collections/<slug:slug>/objects", views.objects),
    path("objects/<uuid:upload_id>", views.one_object),
]
