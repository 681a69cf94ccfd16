"""Where the files lie that people add: in a folder of ours, or in a bucket that speaks S3."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

from django.core.exceptions import ImproperlyConfigured

ATTACHMENT_TYPES = (
    "pdf", "png", "jpeg", "gif", "webp", "docx", "xlsx", "pptx", "odt", "ods", "odp", "txt", "csv", "md",
)  # fmt: skip
"""What may be added unless RISKREG_ATTACHMENT_TYPES says otherwise."""
MORE_TYPES = ("eml", "zip")
"""They carry other files, which nobody would check: allowed only where asked for."""

_OPTIONS = {"endpoint": "endpoint_url", "region": "region_name", "style": "addressing_style"}


def attachment_types(keys: list[str]) -> tuple[str, ...]:
    """The types that may be added; ImproperlyConfigured if one is not known."""
    known = ATTACHMENT_TYPES + MORE_TYPES
    if unknown := sorted(set(keys) - set(known)):
        raise ImproperlyConfigured(
            f"RISKREG_ATTACHMENT_TYPES knows {', '.join(known)}; not {', '.join(unknown)}."
        )
    return tuple(key for key in known if key in keys) or ATTACHMENT_TYPES


def files_storage(url: str, data_dir: Path) -> dict[str, Any]:
    """The entry of STORAGES for RISKREG_FILES_URL; ImproperlyConfigured says what is wrong with it.

    Empty: the folder `files` of the data folder, readable by the server's account only. Else
    `s3://bucket/folder?endpoint=https://…&region=…&style=path`; the keys are AWS_ACCESS_KEY_ID and
    AWS_SECRET_ACCESS_KEY of the environment. Nobody gets an address of the storage: each file goes
    through the check of rights.
    """
    if not url:
        return {
            "BACKEND": "django.core.files.storage.FileSystemStorage",
            "OPTIONS": {
                "location": data_dir / "files",
                "base_url": None,
                "file_permissions_mode": 0o600,
                "directory_permissions_mode": 0o700,
            },
        }
    parts = urlsplit(url)
    given = parse_qs(parts.query, keep_blank_values=True)
    unknown = sorted(set(given) - set(_OPTIONS))
    if parts.scheme != "s3" or not parts.hostname or parts.username or parts.password or unknown:
        raise ImproperlyConfigured(
            "RISKREG_FILES_URL must be empty or such as s3://bucket/folder?endpoint=https://host&region=name "
            "(keys come from AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY)"
            + (f"; unknown: {', '.join(unknown)}." if unknown else ".")
        )
    if find_spec("storages") is None or find_spec("boto3") is None:
        raise ImproperlyConfigured(
            'RISKREG_FILES_URL asks for S3: install it with pip install "django-storages[s3]>=1.14,<2".'
        )
    return {
        "BACKEND": "storages.backends.s3.S3Storage",
        "OPTIONS": {
            "bucket_name": parts.netloc,
            "location": parts.path.strip("/"),
            "default_acl": "private",
            "file_overwrite": False,
            "querystring_auth": True,  # addresses are never handed out; if one were, it would expire
            "signature_version": "s3v4",
            **{_OPTIONS[name]: values[-1] for name, values in given.items()},
        },
    }
