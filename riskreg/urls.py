"""Addresses of the whole site."""

from django.contrib import admin
from django.urls import include, path, re_path

from risks.views import account, security

urlpatterns = [
    re_path(
        r"^accounts/confirm-email/(?P<key>[-:\w]+)/$",
        account.ConfirmAddress.as_view(),
        name="account_confirm_email",
    ),
    path("accounts/", include("allauth.account.urls")),
    path("accounts/2fa/", include("allauth.mfa.urls")),
    path("accounts/3rdparty/", include("allauth.socialaccount.urls")),
    # The names are those by which allauth looks for them.
    path("accounts/oidc/<slug:provider_id>/login/", security.sign_on, name="openid_connect_login"),
    path(
        "accounts/oidc/<slug:provider_id>/login/callback/",
        security.sign_on_callback,
        name="openid_connect_callback",
    ),
    path("admin/", admin.site.urls),
    path("", include("risks.urls")),
]

handler400 = "risks.views.errors.bad_request"
handler403 = "risks.views.errors.permission_denied"
handler404 = "risks.views.errors.not_found"
handler429 = "risks.views.errors.too_many_requests"
handler500 = "risks.views.errors.server_error"
