"""One settings file. Everything comes from the environment; the defaults need nothing.

Values that cannot be used are named, with their cure, by `speechsite.checks`.
"""

from __future__ import annotations

import os
from pathlib import Path
from urllib.parse import urlsplit

from csp.constants import NONE, SELF
from django.utils.translation import gettext_lazy as _

from speechsite.core import addresses, env, secretkey

BASE_DIR = Path(__file__).resolve().parent.parent
DATA_DIR = Path(env.text("DATA_DIR", str(BASE_DIR / "data"))).resolve()
VERSION = "0.1.0"

DEBUG = env.boolean("DEBUG")
SECRET_KEY = env.text("SECRET_KEY") or secretkey.load_or_make(DATA_DIR / "secret_key")
PORT = env.integer("PORT", 8000, minimum=1, maximum=65535)
SITE_URL = env.text("SITE_URL").rstrip("/")
IS_HTTPS = SITE_URL.startswith("https://")
ALLOWED_HOSTS = env.words("ALLOWED_HOSTS") or addresses.default_hosts(SITE_URL)
CSRF_TRUSTED_ORIGINS = env.words("CSRF_TRUSTED_ORIGINS", SITE_URL)
BEHIND_PROXY = env.boolean("BEHIND_PROXY")
ALLOW_PRIVATE_NETWORKS = env.boolean("ALLOW_PRIVATE_NETWORKS")

# --- what the site is made of ---------------------------------------------------------------

INSTALLED_APPS = [
    "speechsite.apps.SpeechsiteConfig",
    "speechsite.adminsite.Config",  # unfold
    "unfold.contrib.filters",
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.humanize",
    "django.contrib.staticfiles",
    "allauth",
    "allauth.account",
    "allauth.mfa",
    "django_htmx",
    "django_q",
    "rest_framework",
    "drf_spectacular",
    "csp",
    "speechsite.duties.apps.DutiesConfig",
    "speechsite.accounts.apps.AccountsConfig",
    "speechsite.upstreams.apps.UpstreamsConfig",
    "speechsite.credits.apps.CreditsConfig",
    "voices.apps.VoicesConfig",
    "jobs.apps.JobsConfig",
    "speechsite.pages.apps.PagesConfig",
]

MIDDLEWARE = [
    "speechsite.core.requestid.RequestIdMiddleware",
    "speechsite.core.compression.CompressionMiddleware",
    "django_permissions_policy.PermissionsPolicyMiddleware",
    "speechsite.api.hosts.HostMiddleware",
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "csp.middleware.CSPMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.locale.LocaleMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "allauth.account.middleware.AccountMiddleware",
    "django_htmx.middleware.HtmxMiddleware",
    "speechsite.pages.preferences.PreferencesMiddleware",
]

# Under ASGI, partners' paths go through these alone: see api.handler.
PARTNER_MIDDLEWARE = [
    "speechsite.core.requestid.RequestIdMiddleware",
    "speechsite.core.compression.CompressionMiddleware",
    "django_permissions_policy.PermissionsPolicyMiddleware",
    "speechsite.api.hosts.HostMiddleware",
    "speechsite.api.handler.Security",
    "speechsite.api.handler.Common",
]

ROOT_URLCONF = "speechsite.urls"
ASGI_APPLICATION = "speechsite.asgi.application"
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "speechsite.pages.context.site",
            ],
        },
    }
]

# --- database and queue ---------------------------------------------------------------------

DATABASES = {
    "default": env.database(
        "DATABASE_URL",
        f"sqlite:///{DATA_DIR / 'speechsite.sqlite3'}",
        conn_max_age=env.integer("DATABASE_CONN_MAX_AGE", 60),
        conn_health_checks=True,
    )
}
IS_SQLITE = DATABASES["default"]["ENGINE"] == "django.db.backends.sqlite3"
if IS_SQLITE:
    DATABASES["default"]["ENGINE"] = "speechsite.core.sqlite"
    # IMMEDIATE takes the write lock at BEGIN, so a transaction waits instead of failing half-way.
    # FULL costs one fsync a commit and keeps a credited grant through a power cut.
    DATABASES["default"]["OPTIONS"] = {
        "transaction_mode": "IMMEDIATE",
        "timeout": 20,
        "init_command": (
            "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; PRAGMA foreign_keys=ON;"
            "PRAGMA busy_timeout=20000; PRAGMA cache_size=-2000;"
        ),
    }

REDIS_URL = env.text("REDIS_URL")
WORKERS = env.integer("WORKERS", 2, minimum=1, maximum=64)
# How many web processes share this database: limits are then counted where all can see them.
WEB_PROCESSES = env.integer("WEB_PROCESSES", 1, minimum=1)
Q_CLUSTER = {
    "name": "speechsite",
    "workers": WORKERS,
    "recycle": 200,
    # One run of the worker may put a book together, which takes as long as it takes. Work
    # that was lost comes back by its leases, never by these: the brokers below keep no task.
    "timeout": 6 * 3600,
    "retry": 7 * 3600,
    "max_attempts": 5,
    "ack_failures": True,
    "catch_up": False,
    "save_limit": 250,
    "poll": 0.1,
    "queue_limit": 50,
    "label": "Queue",
}
if REDIS_URL:
    Q_CLUSTER["redis"] = REDIS_URL
    Q_CLUSTER["broker_class"] = "speechsite.core.wakes.RedisWakes"
else:
    Q_CLUSTER["orm"] = "default"
    Q_CLUSTER["broker_class"] = "speechsite.core.wakes.DatabaseWakes"
    Q_CLUSTER["has_replica"] = False

# Here attempts to sign in are counted: by all processes together, and past a restart. They
# ask the database anyway, so Redis would be one more thing to fail.
CACHES = {
    "default": {
        "BACKEND": "django.core.cache.backends.db.DatabaseCache",
        "LOCATION": "speechsite_cache",
        # Above this many the oldest names are dropped, and with them somebody's count.
        "OPTIONS": {"MAX_ENTRIES": 100_000},
    }
}

# --- files ----------------------------------------------------------------------------------

STATIC_URL = "static/"
STATICFILES_DIRS = [BASE_DIR / "static"]
STATIC_ROOT = DATA_DIR / "static"
MEDIA_ROOT = DATA_DIR / "media"
# Voices that an operator lays here are there without a setting.
VOICES_DIR = DATA_DIR / "voices"
WHITENOISE_USE_FINDERS = DEBUG
AWS_STORAGE_BUCKET_NAME = env.text("AWS_STORAGE_BUCKET_NAME")
AWS_S3_ENDPOINT_URL = env.text("AWS_S3_ENDPOINT_URL") or None
AWS_S3_REGION_NAME = env.text("AWS_S3_REGION_NAME") or None
AWS_S3_FILE_OVERWRITE = False
AWS_DEFAULT_ACL = None
# What is read from the bucket lies in memory up to here, and beyond in a temporary file.
AWS_S3_MAX_MEMORY_SIZE = 4 * 1024 * 1024
STORAGES = {
    "default": {
        "BACKEND": "storages.backends.s3.S3Storage"
        if AWS_STORAGE_BUCKET_NAME
        else "django.core.files.storage.FileSystemStorage"
    },
    "staticfiles": {
        "BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"
        if DEBUG
        else "whitenoise.storage.CompressedManifestStaticFilesStorage"
    },
}
# A million characters of Chinese are 3 MB, percent-encoded 9 MB.
DATA_UPLOAD_MAX_MEMORY_SIZE = 16 * 1024 * 1024
# What all requests that are still coming in may hold of memory and disk, in one process.
MAX_BODIES_MB = env.integer("MAX_BODIES_MB", 2048, minimum=600)
DATA_UPLOAD_MAX_NUMBER_FIELDS = 1000
FILE_UPLOAD_MAX_MEMORY_SIZE = 1024 * 1024

# --- people ---------------------------------------------------------------------------------

AUTH_USER_MODEL = "accounts.User"
AUTHENTICATION_BACKENDS = [
    "django.contrib.auth.backends.ModelBackend",
    "allauth.account.auth_backends.AuthenticationBackend",
]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": f"django.contrib.auth.password_validation.{name}"}
    for name in (
        "UserAttributeSimilarityValidator",
        "MinimumLengthValidator",
        "CommonPasswordValidator",
        "NumericPasswordValidator",
    )
]
EMAIL_URL = env.text("EMAIL_URL")
HAS_EMAIL = bool(EMAIL_URL)
MAIL_BACKEND = "django.core.mail.backends.console.EmailBackend"  # sends what waits in the outbox
DEFAULT_FROM_EMAIL = env.text("DEFAULT_FROM_EMAIL", "speechsite@localhost")
if HAS_EMAIL:
    from speechsite.core.mailurl import email_settings

    globals().update(email_settings(EMAIL_URL))
else:
    EMAIL_BACKEND = "django.core.mail.backends.console.EmailBackend"

SIGNUP_OPEN = env.boolean("SIGNUP_OPEN", True)
LOGIN_URL = "account_login"
LOGIN_REDIRECT_URL = "pages:studio"
LOGOUT_REDIRECT_URL = "pages:landing"
ACCOUNT_ADAPTER = "speechsite.pages.signup.AccountAdapter"
ACCOUNT_LOGIN_METHODS = {"email"}
ACCOUNT_SIGNUP_FIELDS = ["email*", "password1*"]
ACCOUNT_USER_MODEL_USERNAME_FIELD = None
ACCOUNT_EMAIL_VERIFICATION = "mandatory" if HAS_EMAIL else "none"
ACCOUNT_EMAIL_SUBJECT_PREFIX = ""
ACCOUNT_SESSION_REMEMBER = True
ACCOUNT_LOGOUT_ON_GET = False
ACCOUNT_PREVENT_ENUMERATION = HAS_EMAIL
ACCOUNT_FORMS = {"signup": "speechsite.pages.signup.SignupForm"}
# allauth counts each form that is sent; this counts accounts, so that a typing error is free.
SIGNUPS_PER_HOUR = env.integer("SIGNUPS_PER_HOUR", 5, minimum=1, maximum=10_000)
ACCOUNT_RATE_LIMITS = {"open_account": f"{SIGNUPS_PER_HOUR}/h/ip,{4 * SIGNUPS_PER_HOUR}/d/ip"}
MFA_SUPPORTED_TYPES = ["totp", "recovery_codes"]
MFA_TOTP_ISSUER = "Speechsite"
# Of whom the administration asks a second factor: see accounts.staff.
STAFF_SECOND_FACTOR = env.choice(
    "STAFF_SECOND_FACTOR", "off" if DEBUG else "enrolled", ("off", "enrolled", "required")
)
# Without mail nobody can verify an address; a second factor should not wait for it.
MFA_ALLOW_UNVERIFIED_EMAIL = not HAS_EMAIL

SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = IS_HTTPS
SESSION_COOKIE_AGE = 60 * 60 * 24 * 30
SECURE_HSTS_SECONDS = 31536000 if IS_HTTPS else 0
SECURE_SSL_REDIRECT = env.boolean("SECURE_SSL_REDIRECT", False)
SECURE_SSL_HOST = urlsplit(SITE_URL).netloc if IS_HTTPS else None
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https") if BEHIND_PROXY else None
# The last address in X-Forwarded-For is the proxy's word, the others are the visitor's.
ALLAUTH_TRUSTED_PROXY_COUNT = int(BEHIND_PROXY)
# A balancer asks by address and without TLS.
SECURE_REDIRECT_EXEMPT = [r"^(healthz|readyz|metrics)$"]
# Whether other hosts of the domain speak HTTPS is not for this site to promise.
# The OpenAPI document is made with settings of its own, in api.native.document.
SILENCED_SYSTEM_CHECKS = ["security.W005", "security.W021", "drf_spectacular.W001"]
SECURE_REFERRER_POLICY = "same-origin"
X_FRAME_OPTIONS = "DENY"
# What no page here uses, so that nothing that got into one can.
PERMISSIONS_POLICY: dict[str, list[str]] = {
    feature: []
    for feature in (
        "accelerometer", "browsing-topics", "camera", "display-capture", "geolocation",
        "gyroscope", "hid", "magnetometer", "microphone", "midi", "payment",
        "publickey-credentials-get", "serial", "usb", "xr-spatial-tracking",
    )
}  # fmt: skip

CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": [SELF],
        "img-src": [SELF, "data:"],
        "media-src": [SELF, "blob:"],
        "object-src": [NONE],
        "base-uri": [NONE],
        "frame-ancestors": [NONE],
        "form-action": [SELF],
    },
}

# --- language, time -------------------------------------------------------------------------

LANGUAGE_CODE = "en"
# A language is offered once its catalogue is there: a half-translated page helps nobody.
LANGUAGES = [("en", "English")]
LOCALE_PATHS = [BASE_DIR / "templates" / "locale"]
USE_I18N = True
TIME_ZONE = env.time_zone("TIME_ZONE", "UTC")
USE_TZ = True

# --- speech ---------------------------------------------------------------------------------

WELCOME_CREDITS = env.integer("WELCOME_CREDITS", 1000, maximum=10**9)
WELCOME_CREDITS_BUY = env.choice("WELCOME_CREDITS_BUY", "builtin", ("builtin", "everything"))
CREDITS_OFFER = env.text("CREDITS_OFFER")
MAX_TEXT = env.integer("MAX_TEXT", 1_000_000, minimum=1, maximum=5_000_000)
ENGINE_PROCESSES = env.integer("ENGINE_PROCESSES", min(os.cpu_count() or 2, 8), minimum=1)
UNCLEAR_DEADLINE_SECONDS = env.integer("UNCLEAR_DEADLINE_SECONDS", 120, minimum=1)
UNCLEAR_RESENDS = env.integer("UNCLEAR_RESENDS", 1, minimum=0, maximum=5)
WAITING_DEADLINE_SECONDS = env.integer("WAITING_DEADLINE_SECONDS", 3600, minimum=1)
FILE_LINK_SECONDS = 24 * 3600

# --- operators ------------------------------------------------------------------------------

METRICS_TOKEN = env.text("METRICS_TOKEN")
DISK_RESERVE_MB = env.integer("DISK_RESERVE_MB", 512)
READY_MAX_WAIT_SECONDS = env.integer("READY_MAX_WAIT_SECONDS", 600, minimum=1)

UNFOLD = {
    "SITE_TITLE": "Speechsite",
    "SITE_HEADER": _("Speechsite administration"),
    "SITE_URL": "/studio/",
    "SHOW_HISTORY": True,
    "SHOW_VIEW_ON_SITE": False,
    "DASHBOARD_CALLBACK": "speechsite.pages.dashboard.figures",
    # The portal's accent; its own violet cannot be read on dark.
    "COLORS": {
        "primary": {
            "50": "#edf7f5",
            "100": "#d5ece8",
            "200": "#aed9d3",
            "300": "#7fc4bb",
            "400": "#55b3a8",
            "500": "#2f9c91",
            "600": "#0b6660",
            "700": "#095650",
            "800": "#084e49",
            "900": "#06403c",
            "950": "#042b28",
        }
    },
}

REST_FRAMEWORK = {
    "DEFAULT_SCHEMA_CLASS": "drf_spectacular.openapi.AutoSchema",
    "COERCE_DECIMAL_TO_STRING": False,
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "UNAUTHENTICATED_USER": None,
}

# --- logs -----------------------------------------------------------------------------------

LOG_LEVEL = env.choice("LOG_LEVEL", "INFO", ("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"))
LOG_FORMAT = env.choice("LOG_FORMAT", "text", ("text", "json"))
LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "filters": {
        "request_id": {"()": "speechsite.core.requestid.RequestIdFilter"},
        "database_away": {"()": "speechsite.core.away.Filter"},
    },
    "formatters": {
        "text": {"format": "%(asctime)s %(levelname)s %(name)s [%(request_id)s] %(message)s"},
        "json": {
            "()": "pythonjsonlogger.json.JsonFormatter",
            "fmt": "%(asctime)s %(levelname)s %(name)s %(request_id)s %(message)s",
            "rename_fields": {"asctime": "time", "levelname": "level", "name": "logger"},
        },
    },
    "handlers": {
        "console": {
            "class": "logging.StreamHandler",
            "filters": ["request_id", "database_away"],
            "formatter": "json" if LOG_FORMAT == "json" else "text",
        }
    },
    "root": {"handlers": ["console"], "level": LOG_LEVEL},
    "loggers": {
        "django-q": {"handlers": ["console"], "level": "WARNING", "propagate": False},
        "httpx": {"level": "WARNING"},
        "uvicorn": {"level": "WARNING"},
        # A refused request has its line from speechsite.access.
        "django.request": {"level": "ERROR"},
    },
}
