"""Language, answers to htmx, and the pages of refused acts."""

from __future__ import annotations

import json
from collections.abc import Callable
from time import time
from zoneinfo import ZoneInfo

from allauth.core.internal.httpkit import get_client_ip
from django.conf import settings
from django.contrib.messages import get_messages
from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed
from django.template.response import TemplateResponse
from django.utils import timezone, translation
from django.utils.cache import patch_cache_control, patch_vary_headers

from risks.exceptions import Conflict, DomainError, Gone, Invalid, NotAllowed
from risks.services.accounts import SEEN, note_activity
from risks.views.errors import refusal

GetResponse = Callable[[HttpRequest], HttpResponse]


class LanguageMiddleware:
    """The language a person chose, else the cookie's, else the browser's; and the person's time zone."""

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        chosen = getattr(request.user, "language", "") or request.COOKIES.get(
            settings.LANGUAGE_COOKIE_NAME, ""
        )
        if chosen not in dict(settings.LANGUAGES):
            chosen = translation.get_language_from_request(request)
        zone = getattr(request.user, "time_zone", "")
        with translation.override(chosen), timezone.override(ZoneInfo(zone) if zone else None):
            request.LANGUAGE_CODE = chosen
            response = self.get_response(request)
        response.headers.setdefault("Content-Language", chosen)
        patch_vary_headers(response, ("Accept-Language", "Cookie"))
        return response


class SeenMiddleware:
    """Notes that a session is in use, at most every ten minutes: two writes then, none at other times.

    The session lasts longer by it, so only who stays away is signed out.
    """

    interval = 600

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        if request.user.is_authenticated and time() - request.session.get(SEEN, 0) > self.interval:
            request.session[SEEN] = int(time())
            key, agent = request.session.session_key or "", request.headers.get("user-agent", "")
            note_activity(key, get_client_ip(request) or "::", agent)
        return self.get_response(request)


class PermissionsPolicyMiddleware:
    """Passkeys are for our own pages; nothing else that a browser can do is for any."""

    policy = ", ".join(
        [
            "publickey-credentials-create=(self)",
            "publickey-credentials-get=(self)",
            *(
                f"{feature}=()"
                for feature in (
                    "accelerometer", "autoplay", "camera", "display-capture", "encrypted-media", "fullscreen",
                    "geolocation", "gyroscope", "hid", "idle-detection", "magnetometer", "microphone", "midi",
                    "payment", "picture-in-picture", "screen-wake-lock", "serial", "usb",
                    "xr-spatial-tracking",
                )
            ),
        ]
    )  # fmt: skip

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        response = self.get_response(request)
        response.headers.setdefault("Permissions-Policy", self.policy)
        return response


class RefusedFormMiddleware:
    """A form of the account pages that is refused answers 422, like all of ours."""

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        return self.get_response(request)

    def process_template_response(self, request: HttpRequest, response: TemplateResponse) -> TemplateResponse:
        form = (response.context_data or {}).get("form")
        posted = request.method == "POST" and request.path.startswith("/accounts/")
        if posted and getattr(form, "errors", None):
            response.status_code = 422
        return response


class MethodsMiddleware:
    """Pages are read and forms are posted: no view sees another method, and no header can claim one."""

    methods = ("GET", "HEAD", "POST")

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        if request.method not in self.methods:
            return HttpResponseNotAllowed(self.methods)
        return self.get_response(request)


class PrivatePagesMiddleware:
    """What signed-in people see stays out of shared caches, and their browser asks for it anew."""

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        response = self.get_response(request)
        if request.user.is_authenticated and "Cache-Control" not in response:
            patch_cache_control(response, private=True, no_cache=True)
        return response


class HtmxResponseMiddleware:
    """Redirects become HX-Redirect, because htmx would swap the page they lead to into its target;
    messages become toasts."""

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        response = self.get_response(request)
        if not request.htmx:  # type: ignore[attr-defined]
            return response
        if 300 <= response.status_code < 400:
            answer = HttpResponse(headers={"HX-Redirect": response["Location"]})
            answer.cookies = response.cookies
            return answer
        if "HX-Redirect" not in response:
            toasts = [{"text": str(m), "level": m.level_tag} for m in get_messages(request)]
            if toasts:
                events = json.loads(response.get("HX-Trigger", "{}"))
                response["HX-Trigger"] = json.dumps({**events, "toasts": toasts})
        return response


class DomainErrorMiddleware:
    """A refused act that no form has caught answers with its reason: 403, 409, 410 or 422, never 500."""

    statuses = {NotAllowed: 403, Conflict: 409, Gone: 410, Invalid: 422}

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        return self.get_response(request)

    def process_exception(self, request: HttpRequest, exception: Exception) -> HttpResponse | None:
        if not isinstance(exception, DomainError):
            return None
        return refusal(request, self.statuses[type(exception)], str(exception.message))
