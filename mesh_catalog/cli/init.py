"""mesh init: a new workspace."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import click

__all__ = ["command"]

_CONF: Final = """\
# Where this workspace keeps its state. Everything has a default; take the # away to change it.
# conf/<name>.yaml is read with MESH_CONF=<name>; MESH_STATE, MESH_LAKE, MESH_CATALOG, MESH_MLFLOW go before it.

# state: .mesh                               # catalog, reports, logs of this machine
# lake: .mesh/lake                           # a path, or s3a:// abfss:// gs:// hdfs://
# storage: {region: eu-central-1}            # of s3a://; endpoint: http://host:port where it is not Amazon's
# catalog: sqlite:///.mesh/catalog.db        # or postgresql+psycopg://user@host/mesh
# mlflow: sqlite:///.mesh/mlflow.db          # or http://tracking-server
# spark:
#   master: local[*]                         # or spark://host:7077; under spark-submit it is given there
#   conf:
#     spark.driver.memory: 2g
"""
_GITIGNORE: Final = ".mesh/\nlanding/\n__pycache__/\n"
_README: Final = """\
# A mesh-catalog workspace

```
conf/       where data, catalog and Spark are; local.yaml is the default
domains/    one folder a team; inside it one folder a data product or a model
jobs/       the same verbs for spark-submit
landing/    files from outside (not in git)
```

A first product, and what became of it:

```console
mesh import FILE.csv --product shop.orders --owner you@example.com
mesh check
mesh publish
mesh show shop.orders
```
"""


@click.command("init")
@click.argument("folder", metavar="DIR", type=click.Path(path_type=Path))
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
def command(folder: Path, as_json: bool) -> None:
    """Make a workspace: conf/, domains/, jobs/.

    A workspace that is there already is completed; nothing in it is changed. A folder that holds anything else is left
    alone.

    \b
    Example:
      mesh init shop
    """
    from mesh_catalog.documents import write_whole
    from mesh_catalog.errors import InputError

    _require_fit(folder)
    written = []
    try:
        for name in ("conf", "domains", "jobs"):
            (folder / name).mkdir(parents=True, exist_ok=True)
        for name, text in _files().items():
            if not (folder / name).exists():
                write_whole(folder / name, text)
                written.append(name)
    except OSError as error:
        raise InputError(f"{folder}: cannot be written: {error.strerror}.") from error
    _print(folder, written, as_json=as_json)


def _require_fit(folder: Path) -> None:
    from mesh_catalog.errors import InputError

    if not folder.exists():
        return
    if not folder.is_dir():
        raise InputError(f"{folder}: is a file. Name a folder.")
    is_workspace = (folder / "conf").is_dir() and (folder / "domains").is_dir()
    if not is_workspace and any(child.name != ".git" for child in folder.iterdir()):
        raise InputError(f"{folder}: holds other files and is no workspace. Name a new or an empty folder.")


def _files() -> dict[str, str]:
    from mesh_catalog.cli.main import JOB_VERBS, job_script

    return {
        "conf/local.yaml": _CONF,
        ".gitignore": _GITIGNORE,
        "README.md": _README,
        **{f"jobs/{verb}.py": job_script(verb) for verb in JOB_VERBS},
    }


def _print(folder: Path, written: list[str], *, as_json: bool) -> None:
    if as_json:
        from mesh_catalog.cli.output import emit_json

        emit_json({"workspace": str(folder.resolve()), "written": written})
        return
    if not written:
        click.echo(f"{folder} is a workspace already; nothing is missing")
        return
    for index, name in enumerate(written):
        click.echo(f"{'wrote' if index == 0 else '     '} {folder / name}")
    click.echo(f"next: cd {folder}, then  mesh import FILE --product domain.product", err=True)
