from django.urls import path

from web_app.collections.views import Collections

app_name = "collections"
urlpatterns = [path("collections", Collections.as_view(), name="list")]
