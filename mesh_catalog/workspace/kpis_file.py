"""kpis.yaml: the KPIs of a domain, each defined once, and what must hold among them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Final, get_args

from mesh_catalog.contracts.formulas import parse_filter, parse_formula, require_columns
from mesh_catalog.documents import read_document
from mesh_catalog.errors import DocumentError, nearest
from mesh_catalog.specs import (
    DomainSpec,
    KpiFormula,
    KpiGrain,
    KpiSpec,
    KpiTarget,
    ProductSpec,
    folded_name,
    is_name,
    split_name,
)
from mesh_catalog.workspace.section import Section, read_entries

__all__ = ["KPIS_FILE", "check_kpi", "check_kpi_names", "read_kpis_file", "resolve_aliases"]

KPIS_FILE: Final = "kpis.yaml"
_KEYS: Final = (
    "name", "title", "description", "source", "time", "grain", "dimensions", "unit", "formula", "filters", "versions",
    "target", "cadence", "reason", "owner", "drivers", "tags", "same_as",
)  # fmt: skip
_DEFINING: Final = ("source", "time", "grain", "dimensions", "unit", "formula", "filters", "versions")
_CADENCES: Final = ("hourly", "daily", "weekly", "monthly", "quarterly", "yearly")


def read_kpis_file(path: Path, domain: DomainSpec) -> list[KpiSpec]:
    """Read the KPIs of a domain.

    Raises:
        DocumentError: An unknown key, a name that is none or stands twice, or a formula that is refused; with file and
            line. Whether source, columns and drivers are there is checked later, by `check_kpi`.
    """
    return read_entries(path, "kpis", _KEYS, lambda section, index: _kpi(section, domain, path, index))


def _kpi(section: Section, domain: DomainSpec, path: Path, index: int) -> KpiSpec:
    name = section.text("name")
    if not is_name(name) or "__" in name:
        raise section.error(
            f"'{name[:40]}' cannot name a KPI. Use lower-case letters, digits and single _, a letter first; how people"
            " write it goes under title.",
            "name",
        )
    same_as = section.optional_text("same_as")
    for key in _DEFINING if same_as else ():
        if key in section:
            raise section.error(f"'{key}' stands beside same_as, which says how it is defined. Keep one.", key)
    return KpiSpec(
        name=f"{domain.name}.{name}",
        domain=domain,
        title=section.optional_text("title"),
        description=section.optional_text("description"),
        source="" if same_as else _product_name(section, "source"),
        time=_lowered(section.optional_text("time")),
        grain=_grain(section),
        dimensions=tuple(one.lower() for one in section.names("dimensions")),
        unit=section.optional_text("unit"),
        formulas=() if same_as else _formulas(section),
        target=_target(section),
        cadence=section.choice("cadence", _CADENCES) if "cadence" in section else None,
        reason=section.optional_text("reason"),
        declared_owner=section.optional_text("owner"),
        drivers=section.names("drivers"),
        tags=section.names("tags"),
        same_as=same_as,
        index=index,
        path=path,
    )


def _lowered(name: str | None) -> str | None:
    return None if name is None else name.lower()


def _grain(section: Section) -> KpiGrain:
    return section.choice("grain", get_args(KpiGrain), default="day")  # type: ignore[return-value]


def _product_name(section: Section, key: str) -> str:
    name = section.text(key)
    try:
        split_name(name)
    except ValueError as error:
        raise section.error(str(error), key) from error
    return name


def _formulas(section: Section) -> tuple[KpiFormula, ...]:
    """The versions of the formula, oldest first; one that is always valid where there is but one."""
    if "versions" not in section:
        return (_formula(section, None),)
    for key in ("formula", "filters"):
        if key in section:
            raise section.error(f"'{key}' stands beside versions. Move it into one of them.", key)
    entries = section.data["versions"]
    if not isinstance(entries, list) or not entries:
        raise section.error("versions must be a list of valid_from, formula and filters.", "versions")
    found: list[KpiFormula] = []
    for index, data in enumerate(entries):
        place = (*section.place, "versions", index)
        one = Section(section.document, ("valid_from", "formula", "filters", "reason"), place=place, data=data)
        since = _day(one)
        if since is None and index:
            raise one.error("'valid_from' is missing. Only the first version may be valid since ever.")
        before = found[-1].valid_from if found else None
        if index and before is not None and since is not None and since <= before:
            raise one.error(f"valid_from {since} is not after {before}. Order versions by their days.", "valid_from")
        found.append(_formula(one, since))
    return tuple(found)


def _day(section: Section) -> date | None:
    text = section.data.get("valid_from")
    if text is None:
        return None
    try:
        return date.fromisoformat(str(text))
    except ValueError:
        raise section.error(f"valid_from '{str(text)[:40]}' is no day. Write 2026-06-01.", "valid_from") from None


def _formula(section: Section, valid_from: date | None) -> KpiFormula:
    text = section.text("formula")
    try:
        formula = parse_formula(text)
    except ValueError as error:
        raise section.error(f"the formula {error}", "formula") from error
    filters = []
    for index, condition in enumerate(section.names("filters")):
        try:
            filters.append(parse_filter(condition))
        except ValueError as error:
            raise section.error(f"the filter {error}", "filters", index) from error
    columns = [*formula.columns, *(name for one in filters for name in one.columns)]
    conditions = sorted({one.canonical for one in filters})
    return KpiFormula(
        valid_from=valid_from,
        formula=formula.sql,
        filters=tuple(one.sql for one in filters),
        canonical=(formula.canonical, *conditions),
        columns=tuple(dict.fromkeys(columns)),
        shown=formula.shown,
        reason=section.optional_text("reason"),
    )


def _target(section: Section) -> KpiTarget | None:
    if "target" not in section:
        return None
    inner = section.section("target", ("at_least", "at_most"))
    bounds = {
        key: inner.number(key, least=-1e300, most=1e300, default=0) for key in ("at_least", "at_most") if key in inner
    }
    if not bounds:
        raise section.error("target needs at_least, at_most, or both.", "target")
    if len(bounds) == 2 and bounds["at_least"] > bounds["at_most"]:
        raise section.error("target: at_least is above at_most. No value meets it.", "target")
    return KpiTarget(**bounds)


def resolve_aliases(
    kpis: Mapping[str, KpiSpec], products: Mapping[str, ProductSpec]
) -> tuple[dict[str, KpiSpec], list[DocumentError]]:
    """Give every KPI its time where it takes the product's, and the definition of the one that it is the same as.

    What names nothing is left out, with an error.
    """
    found: dict[str, KpiSpec] = {}
    errors = []
    timed = {name: _timed(kpi, products.get(kpi.source)) for name, kpi in kpis.items()}
    for name, kpi in timed.items():
        if kpi.same_as is None:
            found[name] = kpi
            continue
        meant = timed.get(kpi.same_as)
        if meant is None or meant.same_as is not None:
            real = [one.name for one in kpis.values() if one.same_as is None and one.name != name]
            told = "is itself the same as another" if meant else "is no KPI"
            errors.append(_error(kpi, f"same_as: '{kpi.same_as[:80]}' {told}.{nearest(kpi.same_as, real)}", "same_as"))
            continue
        found[name] = replace(
            kpi,
            source=meant.source,
            time=meant.time,
            grain=meant.grain,
            dimensions=meant.dimensions,
            unit=meant.unit,
            formulas=meant.formulas,
            target=kpi.target or meant.target,
            description=kpi.description or meant.description,
            title=kpi.title or meant.title,
        )
    return found, errors


def _timed(kpi: KpiSpec, product: ProductSpec | None) -> KpiSpec:
    event_time = product.contract.event_time if product else None
    return kpi if kpi.time or not event_time else replace(kpi, time=event_time.lower())


def check_kpi_names(kpis: Mapping[str, KpiSpec]) -> list[DocumentError]:
    """Errors for names that mean two things, or one thing twice; of names that differ by case, spaces and _ only."""
    errors = []
    first: dict[str, KpiSpec] = {}
    for kpi in sorted(kpis.values(), key=lambda one: (one.same_as is not None, one.name)):
        key = folded_name(kpi.name.partition(".")[2])
        other = first.setdefault(key, kpi)
        if other is kpi or kpi.same_as == other.name:
            continue
        owners = f"{other.name} (owner {other.owner or 'nobody'}) and {kpi.name} (owner {kpi.owner or 'nobody'})"
        if kpi.meaning == other.meaning:
            message = f"{owners} are defined alike. Let one refer to the other: same_as: {other.name}"
        else:
            message = f"{owners} define one name differently. Agree on one and write same_as, or rename one."
        errors.append(_error(kpi, message, "name"))
    return errors


def check_kpi(
    kpi: KpiSpec, products: Mapping[str, ProductSpec], kpis: Mapping[str, KpiSpec], unread: frozenset[str]
) -> None:
    """Check that what a KPI names is there, and that no personal value comes out of it.

    Args:
        unread: Names of products whose contract is not known here; nothing is said about their columns.

    Raises:
        DocumentError: Source, time, a dimension, a column or a driver is unknown, or personal.
    """
    for driver in kpi.drivers:
        if driver not in kpis:
            raise _error(kpi, f"drivers: there is no KPI '{driver[:80]}'.{nearest(driver, kpis)}", "drivers")
        if driver == kpi.name:
            raise _error(kpi, "drivers: it cannot drive itself. Remove it.", "drivers")
    if kpi.same_as is not None or kpi.source in unread:
        return
    product = products.get(kpi.source)
    if product is None:
        raise _error(kpi, f"source: there is no product '{kpi.source[:80]}'.{nearest(kpi.source, products)}", "source")
    columns = product.contract.columns
    personal = {column.name.lower() for column in columns if column.personal}
    for key, names in (("time", [kpi.time] if kpi.time else []), ("dimensions", list(kpi.dimensions))):
        try:
            require_columns(names, columns)
        except ValueError as error:
            raise _error(kpi, f"{key} {error}", key) from error
        if shown := personal.intersection(names):
            raise _error(kpi, f"{key}: '{min(shown)}' is personal, and its values would be shown. Remove it.", key)
    types = {column.name.lower(): column.spark_type for column in columns}
    if kpi.time and not types[kpi.time].startswith(("timestamp", "date")):
        raise _error(kpi, f"time '{kpi.time}' is {types[kpi.time]}. Name a column of dates or times.", "time")
    for index, formula in enumerate(kpi.formulas):
        places = ("formula",) if len(kpi.formulas) == 1 and formula.valid_from is None else ("versions", index)
        try:
            require_columns(formula.columns, columns)
        except ValueError as error:
            raise _error(kpi, f"the formula or a filter {error}", *places) from error
        if shown := personal.intersection(formula.shown):
            raise _error(kpi, f"'{min(shown)}' is personal: it may be counted, and nothing else.", *places)


def _error(kpi: KpiSpec, message: str, *place: str | int) -> DocumentError:
    return read_document(kpi.path).error(f"{kpi.name}: {message}", "kpis", kpi.index, *place)
