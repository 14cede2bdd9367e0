"""mesh preview: the first rows of a product, personal values masked."""

from __future__ import annotations

import click

__all__ = ["command"]


@click.command("preview")
@click.argument("product")
@click.option("--version", type=click.IntRange(min=0), help="The version to look at; the newest otherwise.")
@click.option("--columns", help="Only these, separated by commas.")
@click.option("--limit", type=click.IntRange(1, 1000), default=10, show_default=True, help="At most so many rows.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
def command(product: str, version: int | None, columns: str | None, limit: int, as_json: bool) -> None:
    """Show the first rows of a product. Personal columns are masked, and those that nobody has decided about.

    \b
    Example:
      mesh preview payments.transactions --columns transaction_id,tx_amount
    """
    from mesh_catalog.access.gate import request_read
    from mesh_catalog.access.mesh import open_mesh
    from mesh_catalog.catalog.canonical import plain
    from mesh_catalog.cli.output import emit_json, print_table
    from mesh_catalog.lake.arrow import preview_rows

    asked = [name.strip() for name in columns.split(",") if name.strip()] if columns is not None else None
    with open_mesh(with_workspace=False) as mesh:
        ticket = request_read(mesh, product, purpose="preview", version=version, columns=asked)
        table = preview_rows(ticket, limit)
    names = table.column_names
    if as_json:
        rows = [plain(row) for row in table.to_pylist()]
        emit_json({"product": product, "version": ticket.version, "masked": list(ticket.masked), "rows": rows})
        return
    print_table([tuple(_text(row[name]) for name in names) for row in table.to_pylist()], names)
    masked = f", masked: {', '.join(ticket.masked)}" if ticket.masked else ""
    click.echo(f"{product} v{ticket.version}{masked}", err=True)


def _text(value: object, limit: int = 40) -> str:
    text = "" if value is None else str(value).replace("\n", " ")
    return text if len(text) <= limit else text[: limit - 1] + "…"
