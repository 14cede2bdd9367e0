"""mesh export prometheus: metrics as a text file, for node_exporter's collector."""

from __future__ import annotations

from pathlib import Path

import click

__all__ = ["prometheus"]


@click.command("prometheus")
@click.argument("file", required=False, type=click.Path(path_type=Path))
def prometheus(file: Path | None) -> None:
    """Write the mesh's metrics to FILE, whole or not at all; to standard output without one.

    Verdicts, drift shares, performance, freshness, run durations, alerts, incidents and retrainings. `mesh serve` has
    the same at /metrics. FILE must end with .prom, which is what node_exporter reads.

    \b
    Example:
      mesh export prometheus /var/lib/node_exporter/mesh.prom
    """
    from mesh_catalog.access.mesh import open_mesh
    from mesh_catalog.alerts.prometheus import metrics_text
    from mesh_catalog.documents import write_whole
    from mesh_catalog.errors import InputError

    if file is not None and file.suffix != ".prom":
        raise click.BadParameter("name a file that ends with .prom", param_hint="FILE")
    with open_mesh(with_workspace=False) as mesh:
        text = metrics_text(mesh.catalog)
    if file is None:
        click.echo(text, nl=False)
        return
    try:
        write_whole(file.absolute(), text)
    except OSError as error:
        raise InputError(f"{file}: cannot be written: {error.strerror}. Name another file.") from error
    click.echo(f"wrote {file}", err=True)
