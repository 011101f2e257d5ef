from django.urls import path

from web_app.api import views

app_name = "api"
urlpatterns = [
    path("", views.Index.as_view(), name="index"),
    path("openapi.json", views.Described.as_view(), name="openapi"),
    path("whoami", views.WhoAmI.as_view(), name="whoami"),
]
