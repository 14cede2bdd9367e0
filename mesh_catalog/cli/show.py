"""mesh show: what the catalog knows of a product, a model, a dashboard, a KPI, a term or a domain."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from mesh_catalog.access.mesh import Mesh
    from mesh_catalog.catalog.store import Catalog

__all__ = ["command"]

_VERSIONS = 5
_VERDICTS = 16
_ORIGINS = 20


@click.command("show")
@click.argument("name")
@click.option("--refused", is_flag=True, help="The last refused batch: which checks failed, how often, for which rows.")
@click.option("--checks", is_flag=True, help="Every check of the last run with its verdict, those that passed too.")
@click.option("--origins", is_flag=True, help="What each version was made of: products, files, tables, databases.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
def command(name: str, refused: bool, checks: bool, origins: bool, as_json: bool) -> None:
    """Show a product (contract, columns, versions, last run), a model (versions, aliases, verdicts, decisions), a
    dashboard (where it is, what it reads), a KPI (formula, source, target), a term of the glossary, or a domain.

    \b
    Example:
      mesh show payments.transactions --refused
    """
    from mesh_catalog.access.mesh import open_mesh
    from mesh_catalog.catalog.inventory import find_kind
    from mesh_catalog.cli.output import emit_json

    with open_mesh(with_workspace=False) as mesh:
        if refused:
            told, print_it = _refused(mesh.catalog, name), _print_refused
        elif checks:
            told, print_it = _checked(mesh.catalog, name), _print_checked
        elif origins:
            told, print_it = _origins(mesh.catalog, name), _print_origins
        elif (kind := find_kind(mesh.catalog, name)) == "model":
            told, print_it = _model(mesh, name), _print_model
        elif kind == "dashboard":
            told, print_it = _dashboard(mesh.catalog, name), _print_dashboard
        elif kind in ("kpi", "term", "domain"):
            from mesh_catalog.cli import show_dictionary

            told = getattr(show_dictionary, f"tell_{kind}")(mesh.catalog, name)
            print_it = getattr(show_dictionary, f"print_{kind}")
        else:
            from mesh_catalog.access.cards import product_card

            told, print_it = product_card(mesh.catalog, name, versions=_VERSIONS), _print_product
    if as_json:
        emit_json(told)
    else:
        print_it(told)


def _print_product(told: Mapping[str, Any]) -> None:
    from mesh_catalog.cli.output import print_facts, print_table
    from mesh_catalog.contracts.service_levels import level_text

    product = told["product"]
    click.echo(f"{product.name}   {product.description or 'no description'}")
    print_facts(
        [
            ("owner", product.owner or "nobody: name one in domain.yaml"),
            ("on call", product.on_call),
            ("contract", f"{product.contract_version}, {product.status}, {product.write_mode}"),
            ("ends", _ends(told["life_cycle"])),
            ("used", str(told["popularity"])),
            ("promises", ", ".join(map(level_text, told["service_levels"]))),
            ("reads", ", ".join(told["ports"].inputs)),
            ("offers", ", ".join(told["ports"].outputs)),
            ("read by", ", ".join(told["ports"].readers)),
            ("terms", ", ".join(told["terms"])),
            ("tags", ", ".join(product.tags)),
            ("time", product.event_time),
            ("source", product.source),
            ("adopted", product.location),
            ("retired", f"{product.retired_at:%Y-%m-%d}" if product.retired_at else None),
            ("rules", ", ".join(told["rules"])),
        ]
    )
    click.echo()
    rows = [(c["name"], c["type"], _classified(c), ", ".join(c["rules"]) or "-", _meaning(c)) for c in told["columns"]]
    print_table(rows, ("column", "type", "classification", "rules", "description"))
    click.echo()
    if told["versions"]:
        print_table(
            [_version_row(v) for v in told["versions"]], ("version", "rows", "in all", "events", "committed (UTC)")
        )
    _print_run(told["last_run"], told["checks"])
    _print_next(product.name, told)


def _classified(column: Mapping[str, Any]) -> str:
    """What its contract says, and what comes with the data."""
    inherited = column["inherited"]
    told = f"{inherited.classification} from {inherited.path[1]}" if inherited else None
    return ", ".join(filter(None, [column["classification"], told])) or "-"


def _ends(life: Any) -> str | None:
    if life.status not in ("deprecated", "retired"):
        return None
    parts = [life.status, f"retires on {life.retires_on}" if life.retires_on else None]
    return ", ".join(filter(None, [*parts, f"use {life.successor}" if life.successor else "names no successor"]))


def _meaning(column: Mapping[str, Any]) -> str:
    """Its description, and the words of the glossary that name it."""
    terms = ", ".join(name.rpartition(".")[2] for name in column["terms"])
    return " ".join(filter(None, [column["description"], f"[{terms}]" if terms else None]))


def _print_next(name: str, told: Mapping[str, Any]) -> None:
    run = told["last_run"]
    if run is not None and run.outcome == "refused":
        click.echo(f"next: mesh show {name} --refused", err=True)
    elif told["versions"]:
        click.echo(f"next: mesh preview {name}", err=True)
    else:
        click.echo(f"next: mesh publish {name}", err=True)


def _version_row(version: Any) -> tuple[Any, ...]:
    events = ""
    if version.event_from and version.event_to:
        events = f"{version.event_from:%Y-%m-%d %H:%M} to {version.event_to:%Y-%m-%d %H:%M}"
    return f"v{version.version}", version.rows, version.total_rows, events, version.committed_at


def _print_run(run: Any, checks: Sequence[Any]) -> None:
    if run is None:
        click.echo("never published")
        return
    outcome = run.outcome or "under way, or cut off"
    counted = f", {_counted(checks)}" if checks else ""
    click.echo(f"last run {outcome} at {run.started_at:%Y-%m-%d %H:%M} by {run.principal}{counted}")
    if run.message and run.outcome == "failed":
        click.echo(f"  {run.message}")
    _print_checks([check for check in checks if check.verdict != "pass"])


def _counted(checks: Sequence[Any]) -> str:
    """`12 checks passed, 1 warned, 2 not run`: what did not happen is left out, but never that all passed."""
    words = {"pass": "passed", "fail": "failed", "warn": "warned", "quarantine": "quarantined", "not_run": "not run"}
    counts = {word: sum(check.verdict == verdict for check in checks) for verdict, word in words.items()}
    first, *rest = counts.items()
    return ", ".join([f"{first[1]} of {len(checks)} checks passed", *(f"{n} {word}" for word, n in rest if n)])


def _checked(catalog: Catalog, name: str) -> dict[str, Any]:
    from mesh_catalog.catalog.inventory import read_product
    from mesh_catalog.catalog.runs import read_checks, read_runs

    product = read_product(catalog, name)
    runs = read_runs(catalog, name, limit=1)
    checks = read_checks(catalog, runs[0].id) if runs else []
    verdicts = [check.verdict for check in checks]
    return {
        "product": product.name,
        "last_run": runs[0] if runs else None,
        "counts": {verdict: verdicts.count(verdict) for verdict in sorted(set(verdicts))},
        "checks": checks,
    }


def _print_checked(told: Mapping[str, Any]) -> None:
    run = told["last_run"]
    if run is None:
        click.echo(f"{told['product']}   never published")
        click.echo(f"next: mesh publish {told['product']}", err=True)
        return
    click.echo(f"{told['product']}   run {run.id} {run.outcome or 'under way, or cut off'}: {_counted(told['checks'])}")
    _print_checks(told["checks"])


def _print_checks(checks: Sequence[Any]) -> None:
    from mesh_catalog.cli.output import print_table

    if not checks:
        return
    rows = []
    for check in checks:
        broken = "" if check.broken_count is None else f"{check.broken_count:,} rows break it"
        keys = f"e.g. {', '.join(check.example_keys)}" if check.example_keys else ""
        told = "   ".join(filter(None, (keys, check.reason)))
        rows.append((check.verdict, check.text, broken, told))
    print_table(rows, ("verdict", "check", "", ""))


def _refused(catalog: Catalog, name: str) -> dict[str, Any]:
    from mesh_catalog.catalog.inventory import read_product
    from mesh_catalog.catalog.runs import latest_version, read_checks, read_runs

    read_product(catalog, name)
    runs = read_runs(catalog, name, limit=1, outcome="refused")
    latest = latest_version(catalog, name)
    made = read_checks(catalog, runs[0].id) if runs else []
    checks = [
        check for check in made if check.verdict == "fail" or (check.verdict, check.severity) == ("not_run", "error")
    ]
    version = latest.version if latest else None
    return {"product": name, "run": runs[0] if runs else None, "readers_on": version, "checks": checks}


def _print_refused(told: Mapping[str, Any]) -> None:
    run = told["run"]
    if run is None:
        click.echo(f"{told['product']}   no batch was ever refused", err=True)
        return
    readers = "no version yet" if told["readers_on"] is None else f"v{told['readers_on']}"
    click.echo(f"{told['product']}   refused at {run.started_at:%Y-%m-%d %H:%M}, readers are on {readers}")
    _print_checks(told["checks"])
    click.echo(f"next: correct the batch or the contract, then mesh publish {told['product']}", err=True)


def _dashboard(catalog: Catalog, name: str) -> dict[str, Any]:
    from mesh_catalog.catalog.inventory import read_dashboard

    return {"dashboard": read_dashboard(catalog, name)}


def _print_dashboard(told: Mapping[str, Any]) -> None:
    from mesh_catalog.cli.output import print_facts

    dashboard = told["dashboard"]
    click.echo(f"{dashboard.name}   {dashboard.description or 'no description'}")
    print_facts(
        [
            ("owner", dashboard.owner or "nobody: name one in dashboards.yaml"),
            ("on call", dashboard.on_call),
            ("title", dashboard.title),
            ("kind", dashboard.kind),
            ("url", dashboard.url),
            ("reads", ", ".join(dashboard.reads)),
            ("retired", f"{dashboard.retired_at:%Y-%m-%d}" if dashboard.retired_at else None),
        ]
    )
    click.echo(f"next: mesh lineage {dashboard.name}", err=True)


def _origins(catalog: Catalog, name: str) -> dict[str, Any]:
    from mesh_catalog.catalog.inventory import read_product
    from mesh_catalog.catalog.origins import read_origins

    read_product(catalog, name)
    return {"product": name, "versions": read_origins(catalog, name)}


def _print_origins(told: Mapping[str, Any]) -> None:
    from mesh_catalog.cli.output import print_table

    rows = []
    for one in reversed(told["versions"]):
        texts = [*(f"{name} v{version}" for name, version in one.products.items()), *map(_source_text, one.sources)]
        shown = texts[:_ORIGINS] + ([f"and {len(texts) - _ORIGINS:,} more: --json"] if len(texts) > _ORIGINS else [])
        for index, text in enumerate(shown or ["not known"]):
            rows.append((f"v{one.version}" if index == 0 else "", one.committed_at if index == 0 else None, text))
    if rows:
        print_table(rows, ("version", "committed (UTC)", "made of"))
    else:
        click.echo(f"{told['product']}   has no version yet", err=True)


def _source_text(origin: str) -> str:
    """A file as a person reads it; a table or a query as it is."""
    import re
    from datetime import UTC, datetime

    file = re.fullmatch(r"(?P<name>.+?) (?P<size>\d+) (?P<at>\d{13,20})(?: [0-9a-f]{24}:\d+)?", origin)
    if file is None:
        return origin
    seconds = int(file["at"]) / (1e9 if len(file["at"]) > 15 else 1e3)
    return f"{file['name']}   {int(file['size']):,} bytes, of {datetime.fromtimestamp(seconds, UTC):%Y-%m-%d %H:%M:%S}"


def _model(mesh: Mesh, name: str) -> dict[str, Any]:
    from mesh_catalog.catalog.decisions import read_decisions
    from mesh_catalog.catalog.inventory import read_model
    from mesh_catalog.catalog.models import read_aliases, read_model_versions
    from mesh_catalog.catalog.verdicts import read_verdicts
    from mesh_catalog.errors import MeshError
    from mesh_catalog.retraining.rollout import take_stock
    from mesh_catalog.retraining.rollout_status import read_rollout_status
    from mesh_catalog.retraining.status import read_status
    from mesh_catalog.workspace import load_workspace

    catalog = mesh.catalog
    try:
        spec = load_workspace(mesh.settings.workspace).models.get(name)
    except MeshError:  # what is wrong there is for `mesh check` to say
        spec = None
    return {
        "model": read_model(catalog, name),
        "aliases": read_aliases(catalog, name),
        "versions": read_model_versions(catalog, name)[: -_VERSIONS - 1 : -1],
        "verdicts": read_verdicts(catalog, name, limit=_VERDICTS),
        "decisions": read_decisions(catalog, name, _VERSIONS),
        "loop": read_status(mesh, name, spec),
        "rollout": read_rollout_status(catalog, name, look=partial(take_stock, mesh, spec) if spec else None),
    }


def _print_model(told: Mapping[str, Any]) -> None:
    from mesh_catalog.cli.output import print_facts, print_table

    model, aliases, rollout = told["model"], told["aliases"], told["rollout"]
    click.echo(f"{model.name}   {model.goal}")
    print_facts(
        [
            ("owner", model.owner or "nobody: name one in domain.yaml"),
            ("on call", model.on_call),
            ("decides", model.decides),
            ("target", f"{model.target} ({model.kind})"),
            ("features", ", ".join(model.features)),
            ("algorithm", f"{model.algorithm}, by {model.metric}"),
            ("retired", f"{model.retired_at:%Y-%m-%d}" if model.retired_at else None),
            ("loop", "; ".join(_loop_lines(told["loop"])) if told["versions"] else None),
            ("budget", told["loop"].budget),
            ("rollout", rollout.sentence if rollout else None),
        ]
    )
    if rollout and rollout.action is None:
        click.echo()
        alarms = [(one["alarm"], one["state"], one["reason"]) for one in rollout.alarms]
        print_table(alarms or [("-", "unheard", "; ".join(rollout.reasons))], ("alarm", "state", "found"))
    if told["versions"]:
        click.echo()
        rows = [_model_version_row(version, aliases) for version in told["versions"]]
        print_table(rows, ("version", "alias", "metrics", "learned from", "made (UTC)"))
    if told["verdicts"]:
        click.echo()
        print_table([_verdict_row(v) for v in told["verdicts"]], ("window to", "monitor", "verdict", "reason"))
    if told["decisions"]:
        click.echo()
        print_table([_decision_row(d) for d in told["decisions"]], ("at (UTC)", "decision", "by", "reasons"))
    if not told["versions"]:
        click.echo(f"next: mesh train {model.name}", err=True)
    elif told["loop"].step == "waiting_approval":
        click.echo(f"next: mesh approve {model.name} v{told['loop'].challenger}", err=True)
    elif rollout and rollout.action is None:
        click.echo(f"next: mesh rollout {model.name}", err=True)
    elif told["loop"].step is not None:
        click.echo(f"next: mesh retrain {model.name}", err=True)
    elif told["loop"].review is not None:
        click.echo(f"next: mesh review list {model.name}", err=True)
    else:
        click.echo(f"next: mesh monitor {model.name}", err=True)


def _loop_lines(loop: Any) -> list[str]:
    lines = list(loop.decides)
    if loop.step is not None:
        lines.append(loop.waits[-1] if loop.waits else f"a retraining is at '{loop.step}'")
    if loop.error:
        lines.append(f"the last turn failed: {loop.error}")
    if loop.requests:
        lines.append(f"{loop.requests} requests for a training")
    if loop.review and not loop.decides:
        lines.append(f"review {loop.review[:8]} is open")
    if loop.untold:
        lines.append("MLflow has not been told yet: the next turn tells it")
    return lines


def _model_version_row(version: Any, aliases: Mapping[str, int]) -> tuple[str, ...]:
    from mesh_catalog.models.evaluate import LOSS_DEVIATION

    names = ", ".join(alias for alias, pointed in aliases.items() if pointed == version.version)
    shown = [(name, value) for name, value in sorted(version.metrics.items()) if name != LOSS_DEVIATION]
    metrics = ", ".join(f"{name} {value:.3f}" for name, value in shown[:4])
    inputs = ", ".join(f"{name} v{number}" for name, number in sorted(version.inputs.items()))
    return f"v{version.version}", names or "-", metrics, inputs, f"{version.created_at:%Y-%m-%d %H:%M}"


def _verdict_row(verdict: Any) -> tuple[str, ...]:
    until = f"{verdict.window_to:%Y-%m-%d %H:%M}" if verdict.window_to else "-"
    return until, verdict.kind, verdict.outcome, verdict.reason


def _decision_row(decision: Any) -> tuple[str, ...]:
    ends = (decision.from_version, decision.to_version)
    if decision.action == "reject":  # the champion stays: what was rejected is the challenger
        ends = (decision.evidence.get("challenger_version"),) * 2
    versions = [f"v{number}" for number in ends if number is not None]
    word = f"{decision.action} {' → '.join(dict.fromkeys(versions))}".strip()
    return f"{decision.at:%Y-%m-%d %H:%M}", word, decision.principal, "; ".join(decision.reasons)
