"""A dbt project worked out as products, dashboards and what is left out. Reads files, writes none."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from mesh_catalog.contracts.classification import suspect_name
from mesh_catalog.contracts.types import spark_type
from mesh_catalog.errors import DocumentError, InputError, MeshError, listed
from mesh_catalog.specs import is_name, split_name
from mesh_catalog.workspace.dbt.drafts import Draft
from mesh_catalog.workspace.dbt.exposures import plan_exposure
from mesh_catalog.workspace.dbt.materialised import materialised_as, snapshot_as
from mesh_catalog.workspace.dbt.ordering import in_order, product_names
from mesh_catalog.workspace.dbt.personal import made_from_personal
from mesh_catalog.workspace.dbt.plan import DbtPlan, LeftOut, PlannedDashboard, PlannedProduct
from mesh_catalog.workspace.dbt.project import DbtProject, Node, Properties, read_project
from mesh_catalog.workspace.dbt.rendering import Rendered, Template, render
from mesh_catalog.workspace.dbt.rules import declared_tests, read_tests, reference_of
from mesh_catalog.workspace.dbt.seeds import plan_seed
from mesh_catalog.workspace.dbt.sources import draft_source
from mesh_catalog.workspace.dbt.sql import Relation, UntranslatableSqlError, dialect_of, translate
from mesh_catalog.workspace.dbt.texts import build_text
from mesh_catalog.workspace.import_texts import domain_text
from mesh_catalog.workspace.loading import load_workspace
from mesh_catalog.workspace.paths import require_inside
from mesh_catalog.workspace.transforms import sql_reads
from mesh_catalog.workspace.workspace import Workspace

__all__ = ["Analyse", "plan_dbt_import"]

Analyse = Callable[[str, Mapping[str, Mapping[str, str]]], Mapping[str, str]]
"""Columns and Spark types of a query, given those of its inputs; an InputError where Spark does not take it."""


def plan_dbt_import(
    root: Path,
    folder: Path,
    *,
    analyse: Analyse,
    domain: str | None = None,
    dialect: str | None = None,
    owner: str | None = None,
    sources: Mapping[str, str] | None = None,
) -> DbtPlan:
    """Read a dbt project and work out what it becomes in a workspace; writes nothing.

    Args:
        root: The workspace.
        folder: The project's.
        analyse: Tells the types of a query's columns.
        domain: Where the products go; the project's name where None.
        dialect: One of DIALECTS; what the profile beside the project says where None.
        owner: Who answers for the domain, where it is new.
        sources: `source.table` of dbt → the product of the workspace that holds it.

    Raises:
        InputError: No project, two nodes of one name, nodes that read each other in a circle, a product that exists.
        DocumentError: A file of the project cannot be read, or names a model that is not there.
        NotFoundError: A product that `sources` names is not in the workspace.
    """
    project = read_project(folder)
    name = domain or re.sub(r"[^a-z0-9]+", "_", project.name.lower()).strip("_")
    if not is_name(name) or "__" in name:
        raise InputError(f"'{name[:40]}' cannot name a domain. Give one: --domain NAME, of lower-case letters and _.")
    workspace = load_workspace(root)
    for product in (sources or {}).values():
        workspace.product(product)
    chosen, said = _dialect(project, dialect)
    planner = _Planner(project, workspace, name, chosen, analyse, dict(sources or {}))
    planner.plan()
    products = tuple(planner.finished())
    domain_file = root / "domains" / name / "domain.yaml"
    files = {} if domain_file.exists() or not products else {"domain.yaml": domain_text(name, owner)}
    if planner.dashboards:
        require_inside(root / "domains" / name / "dashboards.yaml", root)
        files["dashboards.yaml"] = "dashboards:\n" + "".join(one.text for one in planner.dashboards)
    known = workspace.domains.get(name)
    return DbtPlan(
        project=project.name,
        domain=name,
        dialect=chosen,
        dialect_from=said,
        products=products,
        dashboards=tuple(planner.dashboards),
        left_out=tuple(planner.left_out),
        notes=tuple(dict.fromkeys(planner.notes)),
        domain_files=files,
        has_owner=bool(known.owner if known else owner),
    )


def _dialect(project: DbtProject, option: str | None) -> tuple[str | None, str]:
    if option:
        return option, "--dialect"
    common = "what the dialects have in common. Otherwise say --dialect"
    if project.dialect is None:
        return None, f"no profiles.yml beside the project says it: {common}"
    found = dialect_of(project.dialect)
    return found, f"profiles.yml ({project.dialect})" if found else f"'{project.dialect[:40]}' is not known: {common}"


@dataclass
class _Planner:
    """Goes through a project once, inputs first."""

    project: DbtProject
    workspace: Workspace
    domain: str
    dialect: str | None
    analyse: Analyse
    given_sources: dict[str, str]
    drafts: dict[str, Draft] = field(default_factory=dict)
    """By product, inputs first."""
    dashboards: list[PlannedDashboard] = field(default_factory=list)
    left_out: list[LeftOut] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    _names: dict[str, str] = field(default_factory=dict)
    """Node → product."""
    _rendered: dict[str, Rendered] = field(default_factory=dict)
    _sources: dict[tuple[str, str], str | None] = field(default_factory=dict)
    """Source's table → product; None where it is left out."""

    def plan(self) -> None:
        for kind, name, reason in self.project.untold:
            self.leave(kind, name, reason)
        self._name()
        self._render()
        for name in in_order(self.project, self._names, self._rendered):
            self._plan_node(self.project.nodes[name])
        for key in sorted(self.project.sources.keys() - self._sources.keys()):
            self.leave("source", ".".join(key), "is read by no model that is imported")
        for name in (*self.drafts, *([f"{self.domain}.dashboards"] if self.project.exposures else [])):
            self._require_free(name)
        for exposure in self.project.exposures:
            self._plan_exposure(exposure)
        for word in ("on-run-start", "on-run-end"):
            if self.project.document.data.get(word):
                self.leave("hook", word, "runs statements of its own, which publishing does not")

    def leave(self, kind: str, name: str, reason: str) -> None:
        self.left_out.append(LeftOut(kind=kind, name=name, reason=reason))

    # Names and order -------------------------------------------------------------------------------------------

    def _name(self) -> None:
        for name, product in product_names(self.project, self.domain).items():
            if product is None:
                self.leave(self.project.nodes[name].kind, name, "has a name that cannot name a product")
                continue
            self._names[name] = product
            if product.partition(".")[2] != name:
                self.notes.append(f"{name} is called {product}")

    def _require_free(self, product: str) -> None:
        domain, name = split_name(product)
        place = self.workspace.root / "domains" / domain / (f"{name}.yaml" if name == "dashboards" else name)
        require_inside(place, self.workspace.root)
        if place.exists():
            raise InputError(
                f"domains/{domain}/{place.name} exists already. Import makes new products only: take it away, or choose"
                " another --domain."
            )

    def _render(self) -> None:
        templates = [
            Template(name=node.name, text=node.text, config=node.config)
            for node in self.project.nodes.values()
            if node.kind in ("model", "snapshot")
        ]
        self._rendered = render(self.project, templates, dialect=self.dialect or "generic")
        used = sorted({word for one in self._rendered.values() for word in one.used})
        if used:
            values = listed(f"{word} as '{self._target(word)}'" for word in used)
            self.notes.append(f"templates read {values}")

    def _target(self, word: str) -> str:
        key = word.partition(".")[2]
        return (self.dialect or "generic") if key == "type" else self.project.target[key]

    # Nodes -----------------------------------------------------------------------------------------------------

    def _plan_node(self, node: Node) -> None:
        if node.kind == "python":
            return self.leave("model", node.name, "is a Python model: its code is not read. Write a build.py for it")
        if node.properties and "versions" in node.properties.data:
            return None  # told with the properties
        if node.kind == "seed":
            return self._plan_seed(node)
        try:
            self._plan_model(node)
        except (UntranslatableSqlError, MeshError) as error:
            self.leave(node.kind, node.name, _phrase(error))
        return None

    def _plan_seed(self, node: Node) -> None:
        try:
            seed = plan_seed(
                self.project.root / node.path, self._names[node.name], config=node.config, dialect=self.dialect
            )
        except MeshError as error:
            return self.leave("seed", node.name, _phrase(error))
        require_inside(self.workspace.root / seed.landing, self.workspace.root)
        if (self.workspace.root / seed.landing).exists():
            raise InputError(f"{seed.landing}: another file of this name has landed there. Take it away.")
        self.notes += [f"{node.name}: {note}" for note in seed.notes]
        self._keep(
            node,
            kind="seed",
            columns=seed.columns,
            suspected=seed.suspected,
            texts={"source.yaml": seed.source_text, "build.sql": build_text(node.path, seed.build_text)},
            landing=(self.project.root / node.path, seed.landing),
        )
        return None

    def _plan_model(self, node: Node) -> None:
        rendered = self._rendered[node.name]
        if rendered.error:
            raise UntranslatableSqlError(rendered.error)
        config = {**node.config, **rendered.config}
        if config.get("enabled") is False:
            raise UntranslatableSqlError("is disabled in the project")
        relations = self._relations(rendered)
        translated = translate(rendered.text, relations, dialect=self.dialect)
        text = build_text(node.path, translated.text)
        reads = tuple(sql_reads(self.project.root / node.path, text))
        inputs = {one.product: one.columns for one in relations.values()}
        columns = dict(self.analyse(translated.text, {name: inputs[name] for name in reads if name in inputs}))
        self.notes += [f"{node.name}: {note}" for note in translated.notes]
        self._note_config(node.name, config)
        stored = self._stored(node.name, columns)
        written = (snapshot_as if node.kind == "snapshot" else materialised_as)(config, stored)
        self.notes += [f"{node.name} {note}" for note in written.notes]
        self._keep(
            node,
            kind="model",
            reads=reads,
            columns=written.columns,
            suspected=self._suspected(stored, translated.text, reads),
            texts={"build.sql": text},
            write_mode=written.mode,
            key=written.key,
            event_time=written.event_time,
            tags=_tags(config),
        )

    def _keep(self, node: Node, **known: Any) -> None:
        product = self._names[node.name]
        entry = node.properties.data if node.properties else {}
        self.drafts[product] = Draft(
            product=product, told=node.name, path=node.path, entry=entry, docs=self.project.docs, **known
        )

    def _relations(self, rendered: Rendered) -> dict[str, Relation]:
        found = {}
        for place, (package, name, version) in enumerate(rendered.refs):
            if package not in (None, self.project.name):
                raise UntranslatableSqlError(f"reads '{name}' of the package {package}")
            if version is not None:
                raise UntranslatableSqlError(f"reads a version of '{name}', which a product's folder cannot hold")
            product = self.drafts.get(self._names.get(name, ""))
            if product is None:
                raise UntranslatableSqlError(f"reads '{name}', which is left out")
            alias = str(self._rendered[name].config.get("alias") or "") if name in self._rendered else ""
            found[f"mesh_ref_{place}"] = Relation(
                product=product.product, identifier=alias or name, columns=product.columns
            )
        for place, key in enumerate(rendered.sources):
            product_name = self._source(key)
            if product_name is None:
                raise UntranslatableSqlError(f"reads the source '{'.'.join(key)}', which is left out")
            found[f"mesh_source_{place}"] = Relation(
                product=product_name, identifier=key[1], columns=self._columns_of(product_name)
            )
        return found

    def _columns_of(self, product: str) -> Mapping[str, str]:
        if (planned := self.drafts.get(product)) is not None:
            return planned.columns
        return {c.name: c.spark_type for c in self.workspace.product(product).contract.columns}

    def _personal_of(self, product: str) -> Collection[str]:
        if (planned := self.drafts.get(product)) is not None:
            return planned.personal
        return self.workspace.product(product).contract.personal_columns

    def _suspected(self, columns: Mapping[str, str], sql: str, reads: Iterable[str]) -> dict[str, str]:
        """Classification of columns that may tell of people: by their names, or by what they are made from."""
        inherited = made_from_personal(
            sql,
            columns,
            inputs={name: self._columns_of(name) for name in reads},
            personal={name: self._personal_of(name) for name in reads},
        )
        suspicions = {name: suspect_name(name) for name in columns}
        return {name: found.classification if found else "personal?"
                for name, found in suspicions.items() if found or name in inherited}  # fmt: skip

    def _stored(self, node: str, columns: Mapping[str, str]) -> dict[str, str]:
        """Columns in types that a table can store."""
        found = {}
        for name, kind in columns.items():
            if kind == "void":
                self.notes.append(f"{node}: '{name}' is always null, and stored as string")
            stored = {"void": "string", "timestamp_ntz": "timestamp"}.get(kind, kind)
            try:
                found[name] = spark_type(stored)
            except ValueError as error:
                raise UntranslatableSqlError(f"makes the column '{name[:40]}', which {error}") from error
        return found

    def _note_config(self, name: str, config: Mapping[str, Any]) -> None:
        for word in ("pre_hook", "pre-hook", "post_hook", "post-hook"):
            if config.get(word):
                self.leave("hook", f"{word} of {name}", "runs statements of its own, which publishing does not")
        if config.get("grants"):
            self.leave("grants", f"grants of {name}", "grants are given in the mesh, not taken from dbt")
        for word in ("partition_by", "cluster_by", "incremental_predicates", "merge_update_columns",
                     "merge_exclude_columns"):  # fmt: skip
            if config.get(word):
                self.leave("config", f"{word} of {name}", "says how the warehouse stores or merges rows")

    def _product_of(self, text: object) -> str | None:
        """The product that `ref(…)` or `source(…)` names. A test may name a model that is planned later."""
        reference = reference_of(text)
        if reference is None:
            return None
        kind, first, second = reference
        if kind == "source":
            return self._source((first, str(second)))
        return self._names.get(second or first)

    # Sources ---------------------------------------------------------------------------------------------------

    def _source(self, key: tuple[str, str]) -> str | None:
        """The product that holds a source's table: one of the workspace, or a new one over a landing folder."""
        if key not in self._sources:
            self._sources[key] = self._find_source(key)
        return self._sources[key]

    def _find_source(self, key: tuple[str, str]) -> str | None:
        told = ".".join(key)
        entry = self.project.sources.get(key)
        product = self.given_sources.get(told, told.lower())
        if product in self.workspace.products:
            self.notes.append(f"the source {told} is the product {product} of this workspace")
            for test in declared_tests(entry.data) if entry else ():
                self.leave("test", f"{told}: {test}", f"belongs into the contract of {product}, which is there already")
            return product
        if entry is None:
            self.leave("source", told, "is not declared in the project")
            return None
        try:
            draft = draft_source(
                key,
                entry,
                path=entry.document.path.relative_to(self.project.root).as_posix(),
                domain=self.domain,
                taken={*self._names.values(), *self.drafts},
                dialect=self.dialect,
                docs=self.project.docs,
            )
        except UntranslatableSqlError as error:
            self.leave("source", told, str(error))
            return None
        self.drafts[draft.product] = draft
        folder = f"landing/{draft.product.replace('.', '/')}/"
        self.notes.append(f"the source {told} is {draft.product}: put its rows as Parquet into {folder}")
        return draft.product

    # Exposures and contracts -----------------------------------------------------------------------------------

    def _plan_exposure(self, exposure: Properties) -> None:
        try:
            dashboard, note = plan_exposure(exposure.data, self.domain, resolve=self._imported, docs=self.project.docs)
            if dashboard.name in self.drafts:
                raise ValueError("has the name of a product")
        except ValueError as error:
            return self.leave("exposure", str(exposure.data["name"]), str(error))
        self.dashboards.append(dashboard)
        self.notes += [note] if note else []
        return None

    def _imported(self, text: object) -> str | None:
        """As `_product_of`, where the product is there."""
        product = self._product_of(text)
        return product if product in self.drafts or product in self.workspace.products else None

    def finished(self) -> Iterable[PlannedProduct]:
        """The products with their contracts; tests that cannot be rules are left out by now."""
        after = {name: set(draft.reads) for name, draft in self.drafts.items()}
        for draft in self.drafts.values():
            types = {name.lower(): kind for name, kind in draft.columns.items()}
            rules = read_tests(draft.entry, types, resolve=partial(self._referred, draft.product, after))
            for test, reason in rules.left_out:
                self.leave("test", f"{draft.told}: {test}", reason)
            yield draft.finished(rules)

    def _referred(self, product: str, after: dict[str, set[str]], text: object) -> str:
        """The product that a relationship of `product` leads to, which from now on is published before it.

        Args:
            after: Product → products that are published before it.

        Raises:
            ValueError: It is not imported, or it is itself made from `product`.
        """
        target = self._imported(text)
        if target is None:
            raise ValueError("refers to a table that is not imported")
        if target != product and _is_after(target, product, after):
            raise ValueError(f"refers to {target}, which is made from it: there is nothing yet to compare with")
        after[product].add(target)
        return target


def _is_after(product: str, other: str, after: Mapping[str, set[str]]) -> bool:
    """Whether `product` can be published only after `other`."""
    seen, waiting = {product}, [product]
    while waiting:
        following = after.get(waiting.pop(), set()) - seen
        if other in following:
            return True
        seen |= following
        waiting += following
    return False


def _phrase(error: Exception) -> str:
    """An error's message without its address, as the end of a sentence that begins with the model's name."""
    text = str(error)
    if isinstance(error, DocumentError):
        place = f"{error.path}:{error.line}: " if error.line else f"{error.path}: "
        text = text.removeprefix(place)
    return text.rstrip(".")


def _tags(config: Mapping[str, Any]) -> list[str]:
    tags = config.get("tags") or []
    return [str(tag) for tag in (tags if isinstance(tags, list) else [tags])]
