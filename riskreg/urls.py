"""Addresses of the whole site."""

from django.contrib import admin
from django.urls import include, path

from risks.views.errors import not_found

urlpatterns = [
    # Addresses of people are changed by an administrator, so that nobody takes one without a proof.
    path("accounts/email/", not_found),
    path("accounts/", include("allauth.account.urls")),
    path("admin/", admin.site.urls),
    path("", include("risks.urls")),
]

handler400 = "risks.views.errors.bad_request"
handler403 = "risks.views.errors.permission_denied"
handler404 = "risks.views.errors.not_found"
handler429 = "risks.views.errors.too_many_requests"
handler500 = "risks.views.errors.server_error"
