"""domains/ as values: every folder read, and the references between them checked."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from mesh_catalog.contracts.contract import Contract
from mesh_catalog.contracts.odcs import read_contract
from mesh_catalog.documents import Document, read_document
from mesh_catalog.errors import DocumentError, listed, nearest
from mesh_catalog.specs import (
    DomainSpec,
    ModelSpec,
    ProductSpec,
    SourceSpec,
    is_name,
)
from mesh_catalog.workspace.alerts_section import read_alerts
from mesh_catalog.workspace.dashboards_file import check_dashboard, read_dashboards_file
from mesh_catalog.workspace.glossary_file import GLOSSARY_FILE, check_term, read_glossary_file
from mesh_catalog.workspace.kpis_file import (
    KPIS_FILE,
    check_kpi,
    check_kpi_names,
    read_kpis_file,
    resolve_aliases,
)
from mesh_catalog.workspace.life_cycles import check_life_cycle
from mesh_catalog.workspace.model_file import read_model_file
from mesh_catalog.workspace.monitor_section import read_monitor_file
from mesh_catalog.workspace.order import check_reads, publish_order
from mesh_catalog.workspace.paths import is_inside, require_inside
from mesh_catalog.workspace.policies import unknown_purposes
from mesh_catalog.workspace.policies_file import NO_POLICIES, load_policies
from mesh_catalog.workspace.policy_references import check_kpi_words, check_model_policy, check_product_policy
from mesh_catalog.workspace.references import check_consent, check_model, check_rules
from mesh_catalog.workspace.section import Section
from mesh_catalog.workspace.source_file import read_source_file
from mesh_catalog.workspace.workspace import Workspace

__all__ = ["check_workspace", "load_workspace", "survey_workspace"]

_PRODUCT_FILES = ("contract.yaml", "build.sql", "build.py", "source.yaml")


def load_workspace(root: Path, *, partly: bool = False) -> Workspace:
    """Read a workspace.

    Args:
        partly: Leave out what is wrong, and say so in `unread`, for work on one part that another's slip must not stop.

    Raises:
        DocumentError: The first thing that is wrong, by file; `check_workspace` has all of them. What a transform reads
            is looked into later, by `product_reads` and `publish_order`.
    """
    loader = _Loader(root)
    workspace = loader.load()
    errors = sorted(loader.errors, key=_by_line)
    if errors and not partly:
        raise errors[0]
    return replace(workspace, unread=tuple(errors))


def check_workspace(root: Path) -> list[DocumentError]:
    """Everything that is wrong with a workspace, by file; transforms and circles among products included."""
    return survey_workspace(root)[1]


def survey_workspace(root: Path) -> tuple[Workspace, list[DocumentError]]:
    """What of a workspace can be read, and what `check_workspace` says of it."""
    loader = _Loader(root)
    workspace = loader.load()
    loader.errors += _policy_errors(workspace, loader.errors)
    unread = {f"{name}{end}" for name in loader.broken for end in ("", "__training", "__predictions", "__shadow")}
    known = {*workspace.products, *workspace.model_datasets, *unread}
    for product in workspace.products.values():
        with loader.kept():
            check_reads(product, known)
    if not loader.errors:
        with loader.kept():
            publish_order(workspace, workspace.products)
    return workspace, sorted(loader.errors, key=_by_line)


def _by_line(error: DocumentError) -> tuple[str, int]:
    return error.path, error.line or 0


def _policy_errors(workspace: Workspace, known: Sequence[DocumentError]) -> list[DocumentError]:
    """Words of policies that mean nothing; of KPIs nothing is said where a file of theirs cannot be read."""
    found = [error for product in workspace.products.values() for error in check_product_policy(product)]
    for model in workspace.models.values():
        found += check_model_policy(model, workspace.products)
        if not any(Path(error.path).name == KPIS_FILE for error in known):
            found += check_kpi_words(model, workspace.kpis)
    return found


class _Loader:
    """Reads folder by folder and keeps every error."""

    def __init__(self, root: Path) -> None:
        self.root = root.resolve()
        self.errors: list[DocumentError] = []
        self.broken: set[str] = set()
        """Names whose folder is there but cannot be read: no second error says that they do not exist."""

    @contextmanager
    def kept(self) -> Iterator[None]:
        """Keep a DocumentError, and what it says of the rest of its document, for later."""
        try:
            yield
        except DocumentError as error:
            self.errors += [error, *error.others]

    def load(self) -> Workspace:
        policies = NO_POLICIES
        with self.kept():
            policies = load_policies(self.root)
        workspace = Workspace(root=self.root, domains={}, products={}, models={}, policies=policies)
        for folder in self._folders(self.root / "domains"):
            self._load_domain(folder, workspace)
        with self.kept():
            self._load_terms(self.root / "conf", None, workspace)
        self._check_locations(workspace)
        for model in workspace.models.values():
            with self.kept():
                check_model(model, workspace.products, self.broken)
        known = frozenset((*workspace.products, *workspace.model_datasets, *self.broken))
        for dashboard in workspace.dashboards.values():
            with self.kept():
                check_dashboard(dashboard, known)
        unread = {*self.broken, *workspace.model_datasets}
        for product in workspace.products.values():
            with self.kept():
                check_rules(product, workspace.products, unread)
            with self.kept():
                check_consent(product, workspace.products, unread)
            with self.kept():
                check_life_cycle(product, workspace.products, unread)
        self._check_purposes(workspace)
        self._check_dictionary(workspace, frozenset(unread))
        return workspace

    def _check_purposes(self, workspace: Workspace) -> None:
        for path, place, name in unknown_purposes(workspace):
            hint = nearest(name, workspace.policies.purposes or ())
            self.errors.append(
                read_document(path).error(f"the purpose '{name}' is not in conf/policies.yaml.{hint}", *place)
            )

    def _check_dictionary(self, workspace: Workspace, unread: frozenset[str]) -> None:
        kpis, errors = resolve_aliases(workspace.kpis, workspace.products)
        self.errors += [*errors, *check_kpi_names(kpis)]
        for kpi in kpis.values():
            with self.kept():
                check_kpi(kpi, workspace.products, workspace.kpis, unread)
        for term in workspace.terms.values():
            with self.kept():
                check_term(term, workspace.products, {*workspace.kpis, *unread})
        workspace.kpis.update(kpis)

    def _check_locations(self, workspace: Workspace) -> None:
        """Two products over one table would let the laxer contract answer for the stricter one's columns."""
        seen: dict[str, str] = {}
        for name, product in workspace.products.items():
            location = product.contract.location
            if location is not None and (other := seen.setdefault(location, name)) != name:
                path = product.folder / "contract.yaml"
                self.errors.append(DocumentError(f"its table is adopted as {other} already. Keep one.", path=path))

    def _folders(self, parent: Path) -> list[Path]:
        """Folders by name; hidden ones and Python's caches are no domains."""
        try:
            found = sorted(child for child in parent.iterdir() if child.is_dir() and child.name[0] not in "._")
        except OSError as error:
            self.errors.append(DocumentError(f"cannot be read: {error.strerror}.", path=parent))
            return []
        return found

    def _load_domain(self, folder: Path, workspace: Workspace) -> None:
        domain = DomainSpec(name=folder.name, owner=None, path=folder / "domain.yaml")
        with self.kept():  # a mistake in domain.yaml hides none in the folders below
            domain = self._domain(folder)
            workspace.domains[domain.name] = domain
        inside = is_inside(folder, self.root) and is_name(folder.name)
        for inner in self._folders(folder) if inside else []:
            name = f"{folder.name}.{inner.name}"
            self.broken.add(name)
            with self.kept():
                found = self._product_or_model(inner, domain)
                self.broken.discard(name)
                if isinstance(found, ProductSpec):
                    workspace.products[name] = found
                elif isinstance(found, ModelSpec):
                    workspace.models[name] = found
        with self.kept():
            self._load_dashboards(folder, domain, workspace)
        with self.kept():
            self._load_kpis(folder, domain, workspace)
        with self.kept():
            self._load_terms(folder, domain, workspace)

    def _load_dashboards(self, folder: Path, domain: DomainSpec, workspace: Workspace) -> None:
        path = folder / "dashboards.yaml"
        if not path.exists():
            return
        for dashboard in read_dashboards_file(require_inside(path, self.root), domain):
            if dashboard.name in workspace.products or dashboard.name in workspace.models:
                raise DocumentError(f"'{dashboard.name}' is a product or a model already. Rename it.", path=path)
            workspace.dashboards[dashboard.name] = dashboard

    def _load_kpis(self, folder: Path, domain: DomainSpec, workspace: Workspace) -> None:
        path = folder / KPIS_FILE
        if not path.exists():
            return
        for kpi in read_kpis_file(require_inside(path, self.root), domain):
            taken = (workspace.products, workspace.models, workspace.dashboards)
            if any(kpi.name in names for names in taken):
                raise DocumentError(f"'{kpi.name}' is something else in this domain already. Rename it.", path=path)
            workspace.kpis[kpi.name] = kpi

    def _load_terms(self, folder: Path, domain: DomainSpec | None, workspace: Workspace) -> None:
        path = folder / GLOSSARY_FILE
        if path.exists():
            found = read_glossary_file(require_inside(path, self.root), domain)
            workspace.terms.update((term.name, term) for term in found)

    def _domain(self, folder: Path) -> DomainSpec:
        require_inside(folder, self.root)
        _require_name(folder, "domain")
        path = require_inside(folder / "domain.yaml", self.root)
        if not path.exists():
            raise DocumentError("is missing. Write name and owner of the domain into it.", path=path)
        section = Section(read_document(path), ("name", "owner", "onCall", "description", "members", "alerts"))
        if (name := section.text("name")) != folder.name:
            raise section.error(f"name is '{name[:80]}', but the folder is '{folder.name}'. Make them agree.", "name")
        return DomainSpec(
            name=name,
            owner=section.optional_text("owner"),
            on_call=section.optional_text("onCall"),
            description=section.optional_text("description"),
            members=section.names("members"),
            alerts=read_alerts(section, self.root),
            path=path,
        )

    def _product_or_model(self, folder: Path, domain: DomainSpec) -> ProductSpec | ModelSpec | None:
        require_inside(folder, self.root)
        there = {name for name in (*_PRODUCT_FILES, "model.yaml") if (folder / name).exists()}
        if not there:
            return None
        _require_name(folder, "product")
        for name in sorted(there):
            require_inside(folder / name, self.root)
        if "model.yaml" in there:
            if others := there - {"model.yaml"}:
                raise DocumentError(
                    f"the folder holds model.yaml and {listed(sorted(others))}. A model has a folder of its own.",
                    path=folder / "model.yaml",
                )
            return read_model_file(folder / "model.yaml", domain)
        return self._product(folder, domain, there)

    def _product(self, folder: Path, domain: DomainSpec, there: set[str]) -> ProductSpec:
        path = folder / "contract.yaml"
        if path.name not in there:
            raise DocumentError(f"is missing beside {listed(sorted(there))}. Write the product's contract.", path=path)
        if {"build.sql", "build.py"} <= there:
            raise DocumentError("stands beside build.py. Keep one of the two.", path=folder / "build.sql")
        document = read_document(path)
        contract = read_contract(document)
        _check_contract_name(document, f"{domain.name}.{folder.name}")
        build = next((folder / name for name in ("build.sql", "build.py") if name in there), None)
        source = read_source_file(folder / "source.yaml", self.root) if "source.yaml" in there else None
        if source is not None:
            _check_source(source, contract, folder / "source.yaml")
        _check_location(contract, path, build or (folder / "source.yaml" if source else None))
        if build is None and source is None and contract.location is None:
            raise DocumentError(
                "has no build.sql, build.py or source.yaml beside it: nothing can be published. Add one.", path=path
            )
        return ProductSpec(
            name=contract.id,
            domain=domain,
            folder=folder,
            contract=contract,
            build=build,
            source=source,
            monitor=read_monitor_file(folder, self.root),
        )


def _check_source(source: SourceSpec, contract: Contract, path: Path) -> None:
    if source.whole and contract.write_mode == "append":
        more = "" if source.format == "delta" else ", or name a growing column: incremental"
        raise DocumentError(
            f"every publish reads all rows of it, and the contract appends them: they would come twice. Write"
            f" writeMode overwrite in contract.yaml{more}.",
            path=path,
        )
    growing = source.database.incremental if source.database else None
    if growing in contract.personal_columns:
        raise DocumentError(
            f"incremental: '{growing}' is personal, and its newest value would be kept in the catalog. Name another.",
            path=path,
        )


def _check_location(contract: Contract, path: Path, other: Path | None) -> None:
    if contract.location is not None and other is not None:
        raise DocumentError(
            f"the server 'lake' says that others write this table, but {other.name} says that we do. Keep one.",
            path=path,
        )


def _require_name(folder: Path, what: str) -> None:
    if not is_name(folder.name) or "__" in folder.name:
        raise DocumentError(
            f"'{folder.name[:40]}' cannot name a {what}. Use lower-case letters, digits and single _, a letter first.",
            path=folder,
        )


def _check_contract_name(document: Document, name: str) -> None:
    found = document.data["id"]
    if found != name:
        raise document.error(f"id is '{found[:80]}', but the folder says '{name}'. Write id: {name}.", "id")
    table = document.data["schema"][0]["name"]
    if table != name.partition(".")[2]:
        raise document.error(
            f"schema: the table is called '{table[:80]}'. A product has one table, its own: {name.partition('.')[2]}.",
            "schema",
            0,
            "name",
        )
