"""Writing an imported dbt project into a workspace: all of it, or nothing."""

from __future__ import annotations

import shutil
import tempfile
from contextlib import suppress
from pathlib import Path

from mesh_catalog.contracts.odcs import read_contract
from mesh_catalog.documents import read_document
from mesh_catalog.errors import InputError
from mesh_catalog.workspace.dbt.plan import DbtPlan

__all__ = ["write_dbt_import"]


def write_dbt_import(root: Path, plan: DbtPlan) -> None:
    """Write what was planned; where anything fails, nothing stays. A plan without a product writes nothing.

    Raises:
        InputError: Something of it was made by somebody else meanwhile, or the disk does not take it.
    """
    if not plan.products:
        return
    made: list[Path] = []
    staging = Path(tempfile.mkdtemp(dir=root / "domains", prefix=".import-"))
    try:
        _stage(staging, plan)
        for product in plan.products:
            if product.landing:
                _land(root, *product.landing, made)
        home = root / "domains" / plan.domain
        if not home.exists():
            home.mkdir()
            made.append(home)
        for path in sorted(staging.iterdir()):
            target = home / path.name
            if target.exists():
                raise InputError(f"domains/{plan.domain}/{path.name} exists already. Nothing was imported.")
            path.rename(target)
            made.append(target)
    except BaseException as error:
        for path in reversed(made):
            _remove(path)
        if isinstance(error, OSError) and not isinstance(error, InputError):
            raise InputError(f"{plan.domain}: cannot be written: {error.strerror}. Nothing was imported.") from error
        raise
    finally:
        shutil.rmtree(staging, ignore_errors=True)


def _stage(staging: Path, plan: DbtPlan) -> None:
    staging.chmod(0o755)
    for name, text in plan.domain_files.items():
        (staging / name).write_text(text, encoding="utf-8")
    for product in plan.products:
        folder = staging / product.name.partition(".")[2]
        folder.mkdir()
        for name, text in product.texts.items():
            (folder / name).write_text(text, encoding="utf-8")
        read_contract(read_document(folder / "contract.yaml"))


def _land(root: Path, source: Path, landing: str, made: list[Path]) -> None:
    target = root / landing
    for folder in reversed([parent for parent in target.parents if parent != root and parent.is_relative_to(root)]):
        if not folder.exists():
            folder.mkdir()
            made.append(folder)
    if target.exists():
        raise InputError(f"{landing}: another file of this name has landed there. Nothing was imported.")
    made.append(target)
    shutil.copyfile(source, target)


def _remove(path: Path) -> None:
    """Take away what this import made; a folder that somebody else put something into stays."""
    with suppress(OSError):
        if path.is_dir() and (path / "contract.yaml").exists():
            shutil.rmtree(path)
        elif path.is_dir():
            path.rmdir()
        else:
            path.unlink()
