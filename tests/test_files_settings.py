"""Where files lie, by the settings; what is wrong fails at start with a sentence."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from django.core.exceptions import ImproperlyConfigured

from riskreg import files
from riskreg.files import files_storage

S3 = "s3://bucket/some/folder?endpoint=https://minio.example:9000&region=eu-1&style=path"


def test_without_a_setting_files_lie_in_the_data_folder() -> None:
    assert files_storage("", Path("/data")) == {
        "BACKEND": "django.core.files.storage.FileSystemStorage",
        "OPTIONS": {
            "location": Path("/data/files"),
            "base_url": None,
            "file_permissions_mode": 0o600,
            "directory_permissions_mode": 0o700,
        },
    }


def test_address_of_a_bucket_becomes_a_private_storage(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files, "find_spec", lambda name: object())
    assert files_storage(S3, Path("/data")) == {
        "BACKEND": "storages.backends.s3.S3Storage",
        "OPTIONS": {
            "bucket_name": "bucket",
            "location": "some/folder",
            "default_acl": "private",
            "file_overwrite": False,
            "querystring_auth": True,
            "signature_version": "s3v4",
            "endpoint_url": "https://minio.example:9000",
            "region_name": "eu-1",
            "addressing_style": "path",
        },
    }


@pytest.mark.parametrize("missing", ["storages", "boto3"])
def test_bucket_without_its_package_fails_at_start(monkeypatch: pytest.MonkeyPatch, missing: str) -> None:
    monkeypatch.setattr(files, "find_spec", lambda name: None if name == missing else object())
    with pytest.raises(ImproperlyConfigured, match=r'install it with pip install "django-storages\[s3\]'):
        files_storage(S3, Path("/data"))


@pytest.mark.parametrize(
    "url",
    [
        "bucket",
        "https://bucket/folder",
        "s3://",
        "s3:///folder",
        "s3://key:secret@bucket",
        "s3://b?acl=public-read",
    ],
)
def test_address_that_is_none_fails_at_start(monkeypatch: pytest.MonkeyPatch, url: str) -> None:
    monkeypatch.setattr(files, "find_spec", lambda name: object())
    with pytest.raises(ImproperlyConfigured, match="RISKREG_FILES_URL must be empty or such as s3://"):
        files_storage(url, Path("/data"))


def test_settings_name_the_storage_and_the_limits(settings: Any) -> None:
    assert settings.FILE_UPLOAD_HANDLERS[0] == "risks.uploads.LimitedUploadHandler"
    assert settings.ATTACHMENT_MAX_BYTES == 20 * 1024 * 1024
    assert settings.ATTACHMENTS_PER_RISK == 100
    assert settings.SCAN_COMMAND == []
