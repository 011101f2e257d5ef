from django.urls import path

from web_app.pages import collections, keys, views

app_name = "pages"
urlpatterns = [
    path("", views.upload, name="upload"),
    path("uploads/", views.uploads, name="uploads"),
    path("uploads/recent", views.recent, name="recent"),
    path("collections/", collections.index, name="collections"),
    path("collections/<slug:slug>/", collections.arrivals, name="collection"),
    path("collections/<slug:slug>/list.csv", collections.table, name="collection-table"),
    path("collections/<slug:slug>/receipts.zip", collections.receipts, name="collection-receipts"),
    path("collections/<slug:slug>/receipts/<uuid:upload_id>", collections.receipt, name="collection-receipt"),
    path("session", views.session, name="session"),
    path("signed-in/", views.signed_in, name="signed-in"),
    path("keys/", keys.keys, name="keys"),
    path("keys/<slug:prefix>/end", keys.end_key, name="end-key"),
    path("favicon.ico", views.icon, name="icon"),
    path("verify/", views.verify, name="verify"),
]
