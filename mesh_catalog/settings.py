"""conf/*.yaml, MESH_* and flags, read once into one frozen object.

Later wins: built-in defaults, `conf/<name>.yaml` of the workspace, environment, flags. Relative paths are of the
workspace. Owns where things are kept; knows nothing of what is in them.
"""

from __future__ import annotations

import getpass
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mesh_catalog.documents import Document, read_document
from mesh_catalog.errors import SettingsError, listed, nearest

__all__ = ["Settings", "StorageSettings", "find_workspace", "load_settings", "read_storage_environment"]

_PLACES = ("state", "lake", "catalog", "mlflow")
_KEYS = (*_PLACES, "storage", "spark", "openlineage")
_SPARK_KEYS = ("master", "conf")
_STORAGE_KEYS = ("endpoint", "region", "path_style")
_ENDPOINTS = ("AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL")
_REGIONS = ("AWS_REGION", "AWS_DEFAULT_REGION")
_VIRTUAL_HOSTS = "AWS_VIRTUAL_HOSTED_STYLE_REQUEST"


@dataclass(frozen=True, kw_only=True)
class StorageSettings:
    """Which S3 a lake in an object store is in. Credentials are not here: they stay in the environment."""

    endpoint: str | None = None
    """`http(s)://host:port` of a store that is not Amazon's."""
    region: str | None = None
    path_style: bool | None = None
    """Whether the bucket stands in the path, not in the host's name."""

    @property
    def by_path(self) -> bool:
        """`path_style`; where nothing is said: yes for an endpoint of one's own, no for Amazon's."""
        return self.path_style if self.path_style is not None else self.endpoint is not None

    def environment(self) -> dict[str, str]:
        """The AWS_* variables that say the same; every client of S3 reads them."""
        said = {_ENDPOINTS[0]: self.endpoint, _REGIONS[0]: self.region}
        values = {key: value for key, value in said.items() if value}
        if self.path_style is not None:
            values[_VIRTUAL_HOSTS] = str(not self.path_style).lower()
        return values


def read_storage_environment(
    environment: Mapping[str, str] | None = None, *, otherwise: StorageSettings | None = None
) -> StorageSettings:
    """What the AWS_* variables say of the object store.

    Args:
        environment: The process's own where None.
        otherwise: What holds where a variable is not set.
    """
    env = os.environ if environment is None else environment
    rest = otherwise or StorageSettings()
    virtual = env.get(_VIRTUAL_HOSTS)
    return StorageSettings(
        endpoint=next((env[key] for key in _ENDPOINTS if env.get(key)), rest.endpoint),
        region=next((env[key] for key in _REGIONS if env.get(key)), rest.region),
        path_style=rest.path_style if virtual is None else virtual.lower() != "true",
    )


@dataclass(frozen=True, kw_only=True)
class Settings:
    """Where one workspace keeps its state, and how its Spark is started."""

    workspace: Path
    """The folder that holds conf/ and domains/."""
    state: Path
    """Local state: catalog, reports, logs. `.mesh` by default."""
    lake: str
    """Path or URI under which every product's Delta table lies."""
    catalog_url: str = field(repr=False)
    """SQLAlchemy URL of the catalog database; may hold a password."""
    mlflow_uri: str = field(repr=False)
    """MLflow tracking and registry URI; may hold a password."""
    spark_master: str | None = None
    """None under spark-submit, which knows the master itself."""
    spark_conf: Mapping[str, str] = field(default_factory=dict)
    storage: StorageSettings = StorageSettings()
    adopted: Mapping[str, str] = field(default_factory=dict)
    """Product → location of its table, where that is not in the lake; `open_mesh` takes it from the catalog."""
    openlineage: Mapping[str, Any] = field(default_factory=dict, repr=False)
    """Whom to tell of the mesh's runs: a transport's configuration of openlineage-python; empty for nobody."""
    principal: str = "unknown"
    """Who reads and writes: MESH_PRINCIPAL, else the operating system's user."""

    @property
    def landing(self) -> Path:
        return self.workspace / "landing"

    @property
    def reports(self) -> Path:
        return self.state / "reports"

    @property
    def artifacts(self) -> Path:
        """Where MLflow keeps a run's files, when it has no server of its own."""
        return self.state / "artifacts"


def find_workspace(start: Path) -> Path:
    """The nearest folder at or above `start` that holds `conf/` and `domains/`.

    Raises:
        SettingsError: There is none.
    """
    for folder in (start, *start.parents):
        if (folder / "conf").is_dir() and (folder / "domains").is_dir():
            return folder
    raise SettingsError(
        f"{start}: no workspace here or above (a folder with conf/ and domains/). Make one: mesh init DIR"
    )


def load_settings(
    *,
    workspace: Path | None = None,
    conf: str | None = None,
    master: str | None = None,
    environment: Mapping[str, str] | None = None,
) -> Settings:
    """Read the settings of a workspace.

    Args:
        workspace: The workspace; found upward from the current folder where None.
        conf: Which file of conf/ to read, without `.yaml`; MESH_CONF, else `local`.
        master: A Spark master that goes before the file's.
        environment: MESH_* variables; the process's own where None.

    Raises:
        SettingsError: No workspace, no such file, an unknown key, or a value of the wrong kind.
    """
    env = os.environ if environment is None else environment
    root = workspace or Path(env["MESH_WORKSPACE"]) if workspace or "MESH_WORKSPACE" in env else None
    root = root.resolve() if root else find_workspace(Path.cwd())
    if not (root / "domains").is_dir():
        raise SettingsError(f"{root}: is not a workspace (it has no domains/ folder). Make one: mesh init DIR")
    values = _file_values(root, conf or env.get("MESH_CONF", "local"), explicit=bool(conf or env.get("MESH_CONF")))
    for key in _PLACES:
        if (given := env.get(f"MESH_{key.upper()}")) is not None:
            values[key] = given
    state = root / str(values.get("state", ".mesh"))
    spark = values.get("spark", {})
    return Settings(
        workspace=root,
        state=state,
        lake=_located(root, str(values.get("lake", state / "lake"))),
        catalog_url=_database(root, str(values.get("catalog", f"sqlite:///{state / 'catalog.db'}"))),
        mlflow_uri=_database(root, str(values.get("mlflow", f"sqlite:///{state / 'mlflow.db'}"))),
        spark_master=master or env.get("MESH_MASTER") or spark.get("master"),
        spark_conf={key: _spark_text(value) for key, value in spark.get("conf", {}).items()},
        storage=read_storage_environment(env, otherwise=values.get("storage")),
        openlineage=values.get("openlineage", {}),
        principal=env.get("MESH_PRINCIPAL") or _user(),
    )


def _file_values(root: Path, name: str, *, explicit: bool) -> dict[str, Any]:
    if not re.fullmatch(r"[a-z][a-z0-9_-]*", name):
        raise SettingsError(
            f"conf: '{name[:40]}' is not a name of a file in conf/. Give it without .yaml, for example local."
        )
    path = root / "conf" / f"{name}.yaml"
    if not path.exists():
        if explicit:
            known = [file.stem for file in (root / "conf").glob("*.yaml")]
            raise SettingsError(f"conf/{name}.yaml does not exist.{nearest(name, known)}")
        return {}
    document = read_document(path)
    _known(document, document.data, _KEYS)
    spark = document.data.get("spark", {})
    if not isinstance(spark, dict) or not isinstance(spark.get("conf", {}), dict):
        raise document.error("spark and spark.conf must be mappings.", "spark")
    _known(document, spark, _SPARK_KEYS, "spark")
    return {**document.data, "storage": _storage(document), "openlineage": _openlineage(document)}


def _openlineage(document: Document) -> Mapping[str, Any]:
    given = document.data.get("openlineage", {})
    if not isinstance(given, dict) or (given and not isinstance(given.get("type"), str)):
        raise document.error("openlineage must be a mapping with a type: http, file, or none.", "openlineage")
    url = given.get("url")
    if given.get("type") == "http" and not (
        isinstance(url, str) and re.fullmatch(r"https?://[^/@\s]+(/[^@\s]*)?", url)
    ):
        raise document.error("url must be http(s)://host:port, without a user.", "openlineage", "url")
    if not isinstance(given.get("namespace", ""), str):
        raise document.error("namespace must be a text.", "openlineage", "namespace")
    return given


def _storage(document: Document) -> StorageSettings:
    given = document.data.get("storage", {})
    if not isinstance(given, dict):
        raise document.error("storage must be a mapping.", "storage")
    _known(document, given, _STORAGE_KEYS, "storage")
    kinds = {"endpoint": str, "region": str, "path_style": bool}
    for key, value in given.items():
        if not isinstance(value, kinds[key]):
            raise document.error(
                f"{key} must be {'true or false' if kinds[key] is bool else 'a text'}.", "storage", key
            )
    endpoint = given.get("endpoint")
    if endpoint is not None and not re.fullmatch(r"https?://[^/@\s]+/?", endpoint):
        raise document.error("endpoint must be http(s)://host:port, without a user or a path.", "storage", "endpoint")
    return StorageSettings(**{**given, "endpoint": endpoint.rstrip("/") if endpoint else None})


def _known(document: Document, found: Mapping[str, Any], known: tuple[str, ...], *place: str) -> None:
    for key in found:
        if key not in known:
            raise document.error(f"'{key}' is not a setting. Known: {listed(known)}.", *place, key)


def _located(root: Path, where: str) -> str:
    """A URI as it is, a path made absolute. Spark knows S3 under one of its two names only."""
    if where.startswith("s3://"):
        where = where.replace("s3://", "s3a://", 1)
    return where.rstrip("/") if "://" in where else str(root / where)


def _database(root: Path, url: str) -> str:
    prefix = "sqlite:///"
    if url.startswith(prefix) and not url.startswith(prefix + "/"):
        return f"{prefix}{root / url.removeprefix(prefix)}"
    return url


def _spark_text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return f"uid-{os.getuid()}"
