"""A file from outside becomes a product's folder: contract, source, transform, a copy in landing/. All or nothing."""

from __future__ import annotations

import re
import shutil
import tempfile
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from mesh_catalog.contracts.infer import Inference, infer_columns
from mesh_catalog.contracts.odcs import read_contract
from mesh_catalog.documents import read_document
from mesh_catalog.errors import InputError
from mesh_catalog.specs import split_name
from mesh_catalog.workspace.import_texts import build_text, contract_text, domain_text, source_text
from mesh_catalog.workspace.paths import require_inside
from mesh_catalog.workspace.scanning import Scan, scan_file

__all__ = ["ImportPlan", "owner_of", "plan_import", "product_names", "require_free", "write_import", "write_product"]


@dataclass(frozen=True, kw_only=True)
class ImportPlan:
    """What an import would write. Holds no value of a column that is suspected to tell of people."""

    product: str
    scan: Scan
    inference: Inference
    landing: str
    """Where the file's copy goes, within the workspace."""
    texts: Mapping[str, str]
    """Text of each file of the product's folder, by its name."""
    domain_text: str | None
    """Text of domain.yaml; None where the domain has one."""
    has_owner: bool

    @property
    def notes(self) -> tuple[str, ...]:
        """What a person should know of how the file was read."""
        trimmed = ("white space around values is cut off",) if self.scan.trimmed else ()
        finer = ("timestamps are kept to the microsecond, as Spark reads them",) if self.scan.nanoseconds else ()
        encoding = self.scan.options.get("encoding")
        guessed = (
            (f"is not UTF-8, so it is read as {encoding}, a guess: see encoding in source.yaml",) if encoding else ()
        )
        return (*self.inference.notes, *trimmed, *finer, *guessed)

    @property
    def written(self) -> tuple[str, ...]:
        """Paths within the workspace, in the order a person would read them."""
        domain, name = split_name(self.product)
        own = (f"domains/{domain}/domain.yaml",) if self.domain_text is not None else ()
        return (*own, *(f"domains/{domain}/{name}/{file}" for file in self.texts), self.landing)


def plan_import(
    root: Path, path: Path, product: str, *, owner: str | None = None, progress: Callable[[int], None] | None = None
) -> ImportPlan:
    """Read a file and work out the product it would make; writes nothing.

    Raises:
        NotFoundError: There is no such file.
        InputError: A bad name, a product that exists, or a file that cannot be read.
    """
    domain, name = product_names(product)
    require_free(root, domain, name)
    domain_file = root / "domains" / domain / "domain.yaml"
    owned = owner_of(domain_file) if domain_file.exists() else owner
    scan = scan_file(path, progress=progress)
    inference = infer_columns(scan.columns, product=name)
    landing = f"landing/{domain}/{name}/{_landing_name(path, scan)}"
    _require_landing(root, landing, path)
    return ImportPlan(
        product=product,
        scan=scan,
        inference=inference,
        landing=landing,
        texts={
            "contract.yaml": contract_text(product, inference),
            "source.yaml": source_text(landing, scan, inference),
            "build.sql": build_text(landing, inference),
        },
        domain_text=None if domain_file.exists() else domain_text(domain, owner),
        has_owner=bool(owned),
    )


def product_names(product: str) -> tuple[str, str]:
    """Domain and name of a product that is to be made.

    Raises:
        InputError: It is no product's name.
    """
    try:
        domain, name = split_name(product)
    except ValueError as error:
        raise InputError(str(error)) from error
    if "__" in product:
        raise InputError(f"'{product[:80]}': two _ in a row are kept for datasets that the framework writes. Use one.")
    return domain, name


def require_free(root: Path, domain: str, name: str) -> None:
    """Refuse a product that is there already.

    Raises:
        InputError: Its folder exists.
    """
    folder = root / "domains" / domain / name
    require_inside(folder, root)
    if folder.exists():
        raise InputError(
            f"{domain}.{name} exists already: domains/{domain}/{name}. Import makes new products only;"
            f" for more rows put the file into landing/{domain}/{name}/ and publish."
        )


def owner_of(path: Path) -> str | None:
    """Who answers for a domain, by its domain.yaml."""
    owner = read_document(path).data.get("owner")
    return str(owner) if owner else None


def _landing_name(path: Path, scan: Scan) -> str:
    """A name that Spark reads: it passes over files that begin with `_` or `.`, and knows gzip by its ending."""
    name = re.sub(r"[^A-Za-z0-9.-]+", "_", path.name).lstrip("._-") or "file"
    stem = name[:-3] if name.endswith(".gz") else name
    if not re.search(r"\.[A-Za-z0-9]+$", stem):
        stem = f"{stem}.{scan.file.format}"
    return f"{stem}.gz" if scan.file.gzipped else stem


def _require_landing(root: Path, landing: str, path: Path) -> None:
    target = root / landing
    require_inside(target, root)
    if target.exists() and not target.samefile(path):
        raise InputError(f"{landing}: another file of this name has landed there. Rename yours, or take that one away.")


# Writing -----------------------------------------------------------------------------------------------------------


def write_import(root: Path, plan: ImportPlan) -> None:
    """Write what was planned; where anything fails, nothing stays.

    Raises:
        InputError: The product was made by somebody else meanwhile, or the disk does not take it.
    """
    write_product(
        root, plan.product, plan.texts, domain_text=plan.domain_text, then=lambda made: _land(root, plan, made)
    )


def write_product(
    root: Path,
    product: str,
    texts: Mapping[str, str],
    *,
    domain_text: str | None,
    then: Callable[[list[Path]], None] = lambda _made: None,
) -> None:
    """Write a product's folder, whole or not at all.

    Args:
        texts: Text of each file, by its name.
        domain_text: Text of domain.yaml; None where the domain has one.
        then: What else belongs to it; adds what it makes to the list, so that it can be removed.

    Raises:
        InputError: The product was made by somebody else meanwhile, or the disk does not take it.
    """
    domain, name = split_name(product)
    home = root / "domains" / domain
    made: list[Path] = []
    try:
        _stage(root, name, texts, domain_text, made)
        then(made)
        require_free(root, domain, name)
        if home.exists():
            if domain_text is not None:
                made[0].joinpath("domain.yaml").rename(home / "domain.yaml")
                made.append(home / "domain.yaml")
            made[0].joinpath(name).rename(home / name)
        else:
            made[0].rename(home)
    except BaseException as error:
        for path in reversed(made):
            _remove(path)
        if isinstance(error, OSError) and not isinstance(error, InputError):
            raise InputError(f"{product}: cannot be written: {error.strerror}. Nothing was imported.") from error
        raise
    _remove(made[0])


def _stage(root: Path, name: str, texts: Mapping[str, str], domain_text: str | None, made: list[Path]) -> None:
    """The whole domain folder under a hidden name."""
    staging = Path(tempfile.mkdtemp(dir=root / "domains", prefix=".import-"))
    made.append(staging)
    staging.chmod(0o755)
    folder = staging / name
    folder.mkdir()
    if domain_text is not None:
        (staging / "domain.yaml").write_text(domain_text, encoding="utf-8")
    for file, text in texts.items():
        (folder / file).write_text(text, encoding="utf-8")
    read_contract(read_document(folder / "contract.yaml"))


def _land(root: Path, plan: ImportPlan, made: list[Path]) -> None:
    target = root / plan.landing
    for folder in reversed([parent for parent in target.parents if parent != root and parent.is_relative_to(root)]):
        if not folder.exists():
            folder.mkdir()
            made.append(folder)
    if target.exists():
        return  # it is the file itself
    temporary = target.with_name(f".{target.name}.part")
    made.append(temporary)
    if plan.scan.nanoseconds:
        _copy_to_microseconds(plan.scan.file.path, temporary)
    else:
        shutil.copyfile(plan.scan.file.path, temporary)
    temporary.rename(target)
    made.append(target)


def _copy_to_microseconds(path: Path, target: Path) -> None:
    """Spark reads no timestamps in nanoseconds, which pandas writes by default."""
    from pyarrow import parquet

    with parquet.ParquetFile(path) as opened:
        writer = None
        for batch in opened.iter_batches(batch_size=65_536):
            if writer is None:
                writer = parquet.ParquetWriter(
                    target, batch.schema, coerce_timestamps="us", allow_truncated_timestamps=True
                )
            writer.write_batch(batch)
        if writer is not None:
            writer.close()


def _remove(path: Path) -> None:
    with suppress(OSError):
        if path.is_dir() and path.name.startswith(".import-"):
            shutil.rmtree(path)
        elif path.is_dir():
            path.rmdir()
        else:
            path.unlink()
