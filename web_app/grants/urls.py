from django.urls import path

from web_app.grants import views

app_name = "grants"
urlpatterns = [
    path("uploads", views.Uploads.as_view(), name="list"),
    path("uploads/<uuid:grant_id>", views.Upload.as_view(), name="one"),
    path("uploads/<uuid:grant_id>/token", views.UploadToken.as_view(), name="token"),
    path("uploads/<uuid:grant_id>/receipt", views.UploadReceipt.as_view(), name="receipt"),
    path("names", views.Names.as_view(), name="names"),
    path("receipts", views.Receipts.as_view(), name="receipts"),
    path("receipt-keys", views.ReceiptKeys.as_view(), name="receipt-keys"),
]
