"""Settings, all of them from the environment.

The variables begin with `RISKREG_` (and `DATABASE_URL`); README.md lists them. Nothing secret has a default
outside the demonstration, and what is missing or weak fails at start with a sentence that says what to set.
"""

import secrets
import shlex
import sys
from pathlib import Path

import environ
from csp.constants import NONE, SELF
from django.core.exceptions import ImproperlyConfigured

from riskreg.files import attachment_types, files_storage
from riskreg.variables import check_password_in, group_roles, is_strong, secure_address, strong

BASE_DIR = Path(__file__).resolve().parent.parent
env = environ.Env()

DEMO: bool = env.bool("RISKREG_DEMO", False)
INSECURE: bool = env.bool("RISKREG_INSECURE", DEMO)  # plain http, for a trial on one's own machine
TESTING = "pytest" in sys.modules
DEBUG: bool = env.bool("RISKREG_DEBUG", False)

DATA_DIR = Path(env.str("RISKREG_DATA_DIR", str(BASE_DIR / "var")))
SETUP_CODE: str = env.str("RISKREG_SETUP_CODE", "")
if SETUP_CODE and not DEMO:
    strong("RISKREG_SETUP_CODE", SETUP_CODE)
if not (DEMO or TESTING):
    for _name in ("DATABASE_URL", "RISKREG_CACHE_URL", "RISKREG_EMAIL_URL"):
        check_password_in(_name, env.str(_name, ""))

# --- secrets and hosts

SECRET_KEY: str = env.str("RISKREG_SECRET_KEY", "")
if not SECRET_KEY and (DEMO or TESTING):
    SECRET_KEY = secrets.token_urlsafe(50)
if not is_strong(SECRET_KEY, length=40, distinct=10):
    raise ImproperlyConfigured(
        "Set RISKREG_SECRET_KEY to at least 40 random characters, for instance the output of: "
        'python3 -c "import secrets; print(secrets.token_urlsafe(50))"'
    )

ALLOWED_HOSTS: list[str] = env.list("RISKREG_ALLOWED_HOSTS", default=["localhost", "127.0.0.1", "[::1]"])
CSRF_TRUSTED_ORIGINS: list[str] = env.list("RISKREG_CSRF_TRUSTED_ORIGINS", default=[])

# --- applications

INSTALLED_APPS = [
    "risks",
    "django.forms",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "django.contrib.humanize",
    "django.contrib.admin",
    "allauth",
    "allauth.account",
    "allauth.mfa",
    "allauth.socialaccount",
    "allauth.socialaccount.providers.openid_connect",
    "allauth.usersessions",
    "django_tasks",
    "django_tasks_db",
    "simple_history",
    "django_htmx",
    "django_tables2",
    "django_filters",
    "import_export",
]

MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "csp.middleware.CSPMiddleware",
    "risks.middleware.PermissionsPolicyMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",  # outside whatever may refuse a request
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "risks.middleware.LanguageMiddleware",
    "risks.middleware.SeenMiddleware",
    "risks.middleware.PrivatePagesMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "risks.middleware.MethodsMiddleware",
    "allauth.account.middleware.AccountMiddleware",
    "risks.middleware.RefusedFormMiddleware",
    "django_htmx.middleware.HtmxMiddleware",
    "risks.middleware.HtmxResponseMiddleware",
    "risks.middleware.DomainErrorMiddleware",
]

ROOT_URLCONF = "riskreg.urls"
WSGI_APPLICATION = "riskreg.wsgi.application"
ASGI_APPLICATION = "riskreg.asgi.application"

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.template.context_processors.i18n",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "risks.views.access.frame",
                "risks.views.security.ways_in",
            ],
            "builtins": [
                "django.templatetags.i18n",
                "django.templatetags.static",
                "risks.templatetags.risks",
            ],
        },
    },
]
FORM_RENDERER = "risks.forms.renderer.Renderer"

# --- database

DATABASES = {"default": env.db_url("DATABASE_URL", default=f"sqlite:///{DATA_DIR}/riskreg.sqlite3")}
_database = DATABASES["default"]
if _database["ENGINE"] == "django.db.backends.sqlite3":
    # Readers never wait for the writer (WAL); a writer takes its lock when the transaction begins,
    # so that two of them queue up instead of failing half-way.
    _database["OPTIONS"] = {
        "transaction_mode": "IMMEDIATE",
        "timeout": 20,
        "init_command": (
            "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL; PRAGMA cache_size=-32000; "
            "PRAGMA mmap_size=268435456; PRAGMA temp_store=MEMORY; "
            "PRAGMA recursive_triggers=ON;"  # REPLACE deletes: the trail refuses that too
        ),
    }
    _database["CONN_MAX_AGE"] = None
else:
    _database["OPTIONS"] = {
        "pool": {"min_size": 1, "max_size": env.int("RISKREG_DB_POOL", 4)},
        # Indexes hold all that a page counts; with the default, meant for disks that turn, it reads tables.
        "options": "-c random_page_cost=1.1 -c jit=off",
    }
if TESTING and _database["ENGINE"] != "django.db.backends.sqlite3":
    _database["OPTIONS"] = {}

# --- accounts

AUTH_USER_MODEL = "risks.User"
AUTHENTICATION_BACKENDS = ["risks.accounts.Backend"]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator"},
    {
        "NAME": "django.contrib.auth.password_validation.MinimumLengthValidator",
        "OPTIONS": {"min_length": 10},
    },
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
    {"NAME": "django.contrib.auth.password_validation.NumericPasswordValidator"},
]
LOGIN_URL = "account_login"
LOGIN_REDIRECT_URL = "/"
OPEN_SIGNUP: bool = env.bool("RISKREG_OPEN_SIGNUP", False)

ACCOUNT_ADAPTER = "risks.accounts.AccountAdapter"
ACCOUNT_FORMS = {
    "login": "risks.forms.account.LoginForm",
    "signup": "risks.forms.account.SignupForm",
    "add_email": "risks.forms.account.AddressForm",
    "change_password": "risks.forms.account.ChangePasswordForm",
    "set_password": "risks.forms.account.SetPasswordForm",
    "reset_password": "risks.forms.account.ResetPasswordForm",
    "reset_password_from_key": "risks.forms.account.NewPasswordForm",
    "reauthenticate": "risks.forms.account.ReauthenticateForm",
}
ACCOUNT_USER_MODEL_USERNAME_FIELD = None
ACCOUNT_LOGIN_METHODS = {"email"}
ACCOUNT_SIGNUP_FIELDS = ["email*", "password1*"]
ACCOUNT_CHANGE_EMAIL = True  # the old address stays until the new one is confirmed
ACCOUNT_EMAIL_VERIFICATION = "mandatory" if OPEN_SIGNUP else "none"
ACCOUNT_EMAIL_CONFIRMATION_EXPIRE_DAYS = 1
ACCOUNT_EMAIL_NOTIFICATIONS = True
ACCOUNT_PREVENT_ENUMERATION = True
ACCOUNT_REAUTHENTICATION_REQUIRED = True
ACCOUNT_REAUTHENTICATION_TIMEOUT = 600
ACCOUNT_LOGOUT_REDIRECT_URL = "account_login"
ACCOUNT_SESSION_REMEMBER = True
ACCOUNT_DEFAULT_HTTP_PROTOCOL = "http" if INSECURE else "https"
# A key is an address, an IP address or a person; unknown addresses count like known ones.
ACCOUNT_RATE_LIMITS = {
    "login": "30/m/ip",
    "login_failed": "20/m/ip,5/5m/key",
    "signup": "20/h/ip",
    "reset_password": "20/m/ip,5/h/key",
    "reset_password_from_key": "20/m/ip",
    "confirm_email": "1/1m/key",
    "reauthenticate": "10/m/user",
    "manage_email": "10/m/user",
    "change_password": "5/m/user",
    "setup": "20/5m/ip",
    "invitation": "120/5m/ip",
}

MFA_ADAPTER = "risks.accounts.SecondFactorAdapter"
MFA_SUPPORTED_TYPES = ["totp", "webauthn", "recovery_codes"]
MFA_PASSKEY_LOGIN_ENABLED = True
MFA_ALLOW_UNVERIFIED_EMAIL = True  # or nobody could change an address while a second factor protects it
MFA_TOTP_TOLERANCE = 1  # 30 seconds before and after; our forms refuse a code twice for as long
MFA_FORMS = {
    "authenticate": "risks.forms.account.CodeForm",
    "reauthenticate": "risks.forms.account.ReauthenticateCodeForm",
    "activate_totp": "risks.forms.account.ActivateAppForm",
    "authenticate_webauthn": "risks.forms.account.PasskeyForm",
    "login_webauthn": "risks.forms.account.PasskeySignInForm",
    "reauthenticate_webauthn": "risks.forms.account.PasskeyProofForm",
    "add_webauthn": "risks.forms.account.AddPasskeyForm",
    "edit_webauthn": "risks.forms.account.RenamePasskeyForm",
}
MFA_RATE_LIMITS = {"webauthn_login": "10/m/ip"}
PASSWORD_RESET_TIMEOUT = 3600

SESSION_COOKIE_AGE: int = 86_400 * env.int("RISKREG_SESSION_DAYS", 14)  # without a visit

# --- single sign-on

OIDC_ISSUER: str = env.str("RISKREG_OIDC_ISSUER", "")
OIDC_GROUPS: str = env.str("RISKREG_OIDC_GROUPS", "groups")  # the claim that names them
OIDC_ROLES = group_roles("RISKREG_OIDC_ROLES", env.str("RISKREG_OIDC_ROLES", ""))
SOCIALACCOUNT_ADAPTER = "risks.accounts.SocialAccountAdapter"
SOCIALACCOUNT_EMAIL_AUTHENTICATION = SOCIALACCOUNT_EMAIL_AUTHENTICATION_AUTO_CONNECT = True
SOCIALACCOUNT_EMAIL_VERIFICATION = "none"  # the issuer has done it, or the adapter refuses
SOCIALACCOUNT_PROVIDERS = {}
_oidc = {name: env.str(f"RISKREG_OIDC_{name}", "") for name in ("ISSUER", "CLIENT_ID", "CLIENT_SECRET")}
if any(_oidc.values()) or OIDC_ROLES:
    _missing = [f"RISKREG_OIDC_{name}" for name, value in _oidc.items() if not value]
    if _missing:
        raise ImproperlyConfigured(f"Single sign-on is set up in part: set {' and '.join(_missing)} too.")
    OIDC_ISSUER = secure_address("RISKREG_OIDC_ISSUER", OIDC_ISSUER, insecure=INSECURE)
    SOCIALACCOUNT_PROVIDERS = {
        "openid_connect": {
            "OAUTH_PKCE_ENABLED": True,
            "APPS": [
                {
                    "provider_id": "sso",
                    "name": env.str("RISKREG_OIDC_NAME", "Single sign-on"),
                    "client_id": _oidc["CLIENT_ID"],
                    "secret": _oidc["CLIENT_SECRET"]
                    if DEMO
                    else strong("RISKREG_OIDC_CLIENT_SECRET", _oidc["CLIENT_SECRET"]),
                    "settings": {"server_url": OIDC_ISSUER},
                }
            ],
        }
    }

# --- what several processes must agree on, such as how often somebody tried to sign in

CACHES = {
    "default": {"KEY_PREFIX": "riskreg"} | env.cache("RISKREG_CACHE_URL", default="dbcache://risks_cache")
}
if CACHES["default"]["BACKEND"].endswith(".DatabaseCache"):
    # With as few as by default, whoever tries many addresses would push out what is counted of others.
    CACHES["default"]["OPTIONS"] = {"MAX_ENTRIES": 100_000}

# --- mail

# The demonstration prints its mail. Without a mail server everything else works; pages say that no mail goes
# out, and nothing prints it: links that reset passwords have no place in a log.
_email_url: str = env.str("RISKREG_EMAIL_URL", "")
MAIL_WORKS: bool = DEMO or TESTING or bool(_email_url)
EMAIL_BACKEND = f"django.core.mail.backends.{'console' if DEMO else 'dummy'}.EmailBackend"
DEFAULT_FROM_EMAIL: str = env.str("RISKREG_MAIL_FROM", "RiskReg <riskreg@localhost>")
EMAIL_TIMEOUT = 20
BASE_URL: str = env.str("RISKREG_BASE_URL", "")  # where links in mails lead
EMAIL_SUBJECT_PREFIX = ACCOUNT_EMAIL_SUBJECT_PREFIX = ""
if _email_url and not DEMO:
    _email = env.email_url("RISKREG_EMAIL_URL")
    EMAIL_BACKEND = _email["EMAIL_BACKEND"]
    EMAIL_HOST, EMAIL_PORT = _email["EMAIL_HOST"], _email["EMAIL_PORT"] or 25
    EMAIL_HOST_USER, EMAIL_HOST_PASSWORD = _email["EMAIL_HOST_USER"], _email["EMAIL_HOST_PASSWORD"]
    EMAIL_USE_TLS, EMAIL_USE_SSL = _email.get("EMAIL_USE_TLS", False), _email.get("EMAIL_USE_SSL", False)
    EMAIL_FILE_PATH = _email["EMAIL_FILE_PATH"] or None
    if "RISKREG_MAIL_FROM" not in env.ENVIRON:
        raise ImproperlyConfigured(
            "RISKREG_EMAIL_URL is set, so set RISKREG_MAIL_FROM too: RiskReg <riskreg@acme.example>"
        )
if OPEN_SIGNUP and not MAIL_WORKS:
    raise ImproperlyConfigured("RISKREG_OPEN_SIGNUP confirms addresses by mail: set RISKREG_EMAIL_URL too.")

# --- language and time

LANGUAGE_CODE = "en"
LANGUAGES = [("en", "English"), ("zh-hans", "简体中文")]
LOCALE_PATHS = [BASE_DIR / "risks" / "locale"]
LANGUAGE_COOKIE_NAME = "riskreg_language"
FORMAT_MODULE_PATH = "risks.formats"
USE_I18N = True
USE_TZ = True
TIME_ZONE = env.str("RISKREG_TIME_ZONE", "UTC")

# --- static files

STATIC_URL = "static/"
STATICFILES_DIRS = [BASE_DIR / "static"]
# Collected and hashed where a release build has run collectstatic, else served from where they lie.
_static_root = BASE_DIR / "staticfiles"
_collected = (_static_root / "staticfiles.json").exists() and not TESTING
# None otherwise: WhiteNoise warns at every start about a folder that does not exist.
STATIC_ROOT = _static_root if _collected or "collectstatic" in sys.argv else None
WHITENOISE_USE_FINDERS = not _collected
WHITENOISE_MAX_AGE = 3600
STORAGES = {
    "default": files_storage(env.str("RISKREG_FILES_URL", ""), DATA_DIR),
    "staticfiles": {
        "BACKEND": "whitenoise.storage.CompressedManifestStaticFilesStorage"
        if _collected or "collectstatic" in sys.argv
        else "django.contrib.staticfiles.storage.StaticFilesStorage"
    },
}

# --- security

SECURE_CONTENT_TYPE_NOSNIFF = True
SECURE_REFERRER_POLICY = "same-origin"
X_FRAME_OPTIONS = "DENY"
SESSION_COOKIE_HTTPONLY = True
SESSION_COOKIE_SAMESITE = "Lax"
CSRF_COOKIE_SAMESITE = "Lax"
CSRF_COOKIE_HTTPONLY = True  # pages carry the token themselves
CSRF_FAILURE_VIEW = "risks.views.errors.csrf_failure"
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = LANGUAGE_COOKIE_SECURE = not INSECURE
SECURE_SSL_REDIRECT = not INSECURE and not TESTING
SECURE_REDIRECT_EXEMPT = [r"^health/$"]
SECURE_HSTS_SECONDS = 0 if INSECURE else 31_536_000
SECURE_HSTS_INCLUDE_SUBDOMAINS = SECURE_HSTS_PRELOAD = not INSECURE
if env.bool("RISKREG_BEHIND_PROXY", False):  # else anybody could claim any address
    SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
    ALLAUTH_TRUSTED_PROXY_COUNT = 1

CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": [NONE],
        "script-src": [SELF],
        "style-src": [SELF],
        "img-src": [SELF, "data:"],
        "font-src": [SELF],
        "connect-src": [SELF],
        "form-action": [SELF],
        "base-uri": [NONE],
        "frame-ancestors": [NONE],
    }
}

# --- what people may send

DATA_UPLOAD_MAX_MEMORY_SIZE = 2_500_000
DATA_UPLOAD_MAX_NUMBER_FIELDS = 3_000
DATA_UPLOAD_MAX_NUMBER_FILES = 20
FILE_UPLOAD_HANDLERS = [
    "risks.uploads.LimitedUploadHandler",
    "django.core.files.uploadhandler.MemoryFileUploadHandler",
    "django.core.files.uploadhandler.TemporaryFileUploadHandler",
]
ATTACHMENT_MAX_BYTES: int = env.int("RISKREG_ATTACHMENT_MAX_MB", 20) * 1_048_576
ATTACHMENTS_PER_RISK: int = env.int("RISKREG_ATTACHMENTS_PER_RISK", 100)
ATTACHMENT_TYPES = attachment_types(env.list("RISKREG_ATTACHMENT_TYPES", default=[]))
# Gets each file on its standard input; ends with 0 if it is clean, 1 if it is infected.
SCAN_COMMAND: list[str] = shlex.split(env.str("RISKREG_SCAN_COMMAND", ""))
SCAN_SECONDS: int = env.int("RISKREG_SCAN_SECONDS", 60)

# --- product

# Who may make a team: "staff" (those who may use the admin site) or "anyone" who has an account.
WHO_MAKES_TEAMS: str = env.str("RISKREG_WHO_MAKES_TEAMS", "staff")
if WHO_MAKES_TEAMS not in ("staff", "anyone"):
    raise ImproperlyConfigured('RISKREG_WHO_MAKES_TEAMS must be "staff" or "anyone".')
INVITATION_DAYS: int = env.int("RISKREG_INVITATION_DAYS", 7)

# Jobs wait in the database; `manage.py worker` does them.
TASKS = {"default": {"BACKEND": "django_tasks_db.DatabaseBackend"}}
SIMPLE_HISTORY_DATE_INDEX = False  # the histories name the indexes they are read by

DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
REPORT_MAX_RISKS = 300  # a report made while its reader waits; longer registers are offered as XLSX
REPORT_VERSION = "1"

LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "handlers": {"console": {"class": "logging.StreamHandler"}},
    "loggers": {"django": {"handlers": ["console"], "level": "WARNING"}},
}
