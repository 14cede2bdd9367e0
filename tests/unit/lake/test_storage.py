"""Settings of an object store, as its three clients are told."""

from __future__ import annotations

from pathlib import Path

import pytest

from mesh_catalog.errors import DocumentError
from mesh_catalog.lake.storage import filesystem_of, path_within, storage_conf, storage_options
from mesh_catalog.settings import load_settings

STORE = "storage: {endpoint: 'http://127.0.0.1:9000', region: eu-west-1}\nlake: s3://bucket/lake\n"


def write(workspace: Path, text: str) -> None:
    (workspace / "conf" / "store.yaml").write_text(text)


@pytest.fixture(autouse=True)
def no_store(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3", "AWS_REGION", "AWS_DEFAULT_REGION"):
        monkeypatch.delenv(name, raising=False)


def test_one_section_of_the_settings_reaches_spark_delta_and_arrow(
    workspace_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(workspace_dir, STORE)
    settings = load_settings(workspace=workspace_dir, conf="store")
    assert settings.lake == "s3a://bucket/lake"
    conf = storage_conf(settings.storage)
    assert conf["spark.hadoop.fs.s3a.endpoint"] == "http://127.0.0.1:9000"
    assert conf["spark.hadoop.fs.s3a.endpoint.region"] == "eu-west-1"
    assert conf["spark.hadoop.fs.s3a.path.style.access"] == "true"
    for name, value in settings.storage.environment().items():
        monkeypatch.setenv(name, value)
    assert storage_options(settings.lake) == {
        "aws_endpoint": "http://127.0.0.1:9000",
        "aws_allow_http": "true",
        "aws_region": "eu-west-1",
        "aws_virtual_hosted_style_request": "false",
    }
    filesystem, path = filesystem_of("s3a://bucket/lake/shop/orders")
    assert (filesystem.type_name, filesystem.region, path) == ("s3", "eu-west-1", "bucket/lake/shop/orders")


def test_the_environment_goes_before_the_file(workspace_dir: Path) -> None:
    write(workspace_dir, STORE)
    environment = {"AWS_ENDPOINT_URL": "https://store:1", "AWS_DEFAULT_REGION": "us-east-2"}
    storage = load_settings(workspace=workspace_dir, conf="store", environment=environment).storage
    assert (storage.endpoint, storage.region) == ("https://store:1", "us-east-2")


def test_amazons_own_store_is_asked_by_host_name_and_another_by_path(workspace_dir: Path) -> None:
    write(workspace_dir, "storage: {region: eu-west-1}\n")
    assert not load_settings(workspace=workspace_dir, conf="store", environment={}).storage.by_path
    write(workspace_dir, "storage: {endpoint: 'https://store', path_style: false}\n")
    assert not load_settings(workspace=workspace_dir, conf="store", environment={}).storage.by_path
    write(workspace_dir, "storage: {endpoint: 'https://store'}\n")
    assert load_settings(workspace=workspace_dir, conf="store", environment={}).storage.by_path


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("storage: here\n", "storage must be a mapping"),
        ("storage: {bucket: b}\n", "'bucket' is not a setting"),
        ("storage: {path_style: perhaps}\n", "path_style must be true or false"),
        ("storage: {endpoint: 'https://me:secret@store'}\n", "endpoint must be http"),  # pragma: allowlist secret
        ("storage: {access_key: AKIA}\n", "'access_key' is not a setting"),
    ],
)
def test_a_wrong_section_is_named_with_its_line(workspace_dir: Path, text: str, said: str) -> None:
    write(workspace_dir, text)
    with pytest.raises(DocumentError, match=said) as raised:
        load_settings(workspace=workspace_dir, conf="store")
    assert "secret" not in str(raised.value)
    assert "store.yaml:1" in str(raised.value)


def test_a_path_needs_no_server(tmp_path: Path) -> None:
    filesystem, path = filesystem_of(str(tmp_path))
    assert (filesystem.type_name, path) == ("local", str(tmp_path))
    assert storage_options(str(tmp_path)) == {}
    assert path_within("s3a://bucket/a b.parquet") == "bucket/a b.parquet"
    with pytest.raises(OSError, match="ftp://"):
        filesystem_of("ftp://host/lake")
