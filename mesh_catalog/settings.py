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

__all__ = ["Settings", "find_workspace", "load_settings"]

_KEYS = ("state", "lake", "catalog", "mlflow", "spark")
_SPARK_KEYS = ("master", "conf")


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
    for key in _KEYS[:-1]:
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
    return dict(document.data)


def _known(document: Document, found: Mapping[str, Any], known: tuple[str, ...], *place: str) -> None:
    for key in found:
        if key not in known:
            raise document.error(f"'{key}' is not a setting. Known: {listed(known)}.", *place, key)


def _located(root: Path, where: str) -> str:
    """A URI as it is, a path made absolute."""
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
