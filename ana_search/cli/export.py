"""`ana-search export`: the best networks as files of integers."""

from pathlib import Path
from typing import Annotated

import typer

from ana_search.cli.options import DEFAULT_RUNS, AcceptOption, Format, ImportOption, RunsOption, StorageOption

__all__ = ["EXAMPLE", "NAME", "run"]

NAME = "export"
EXAMPLE = "ana-search export quickstart --top 1 --out models"


def run(
    study: Annotated[
        str | None,
        typer.Argument(metavar="STUDY", help="A study file, or the name of a study in the storage."),
    ] = None,
    out: Annotated[Path | None, typer.Option(help="Folder of the files (made if missing).")] = None,
    top: Annotated[int | None, typer.Option(min=1, help="The best so many trials (default: 1).")] = None,
    trial: Annotated[int | None, typer.Option(min=0, help="This trial.")] = None,
    pareto: Annotated[bool, typer.Option("--pareto", help="The Pareto front of a study with two objectives.")] = False,
    file_format: Annotated[str, typer.Option("--format", help="onnx, qdq, qonnx, pt2 or c.")] = "onnx",
    verify: Annotated[
        bool, typer.Option(help="Run every file over the whole validation set; a mismatch leaves no file.")
    ] = True,
    check: Annotated[Path | None, typer.Option(help="Instead of exporting: check a folder of exported files.")] = None,
    output: Annotated[Format, typer.Option("--output", help="A table to read, or JSON.")] = Format.table,
    allow_import: ImportOption = False,
    accept_changes: AcceptOption = False,
    storage: StorageOption = None,
    runs: RunsOption = DEFAULT_RUNS,
) -> None:
    """Export trained networks as integer networks that compute exactly what was trained."""
    from ana_search.cli import tables
    from ana_search.errors import ExportRequestError

    if check is not None:
        from ana_search.export import check_directory

        tables.print_manifest(check_directory(check, study=study).as_json(), output)
        return
    if study is None or out is None:
        raise ExportRequestError("export needs STUDY and --out DIR (or --check DIR alone)")
    from ana_search.cli.offering import offer_files
    from ana_search.cli.opening import opened
    from ana_search.export.from_study import export_study

    with opened(study, storage, runs, write=True, allow_import=allow_import) as stored:
        manifest = export_study(
            stored,
            out,
            top=top,
            trial=trial,
            pareto=pareto,
            file_format=file_format,
            verify=verify,
            accept_changes=accept_changes,
        )
        models = [out / model.file for model in manifest.models]
        offer_files([stored], [*models, out / "manifest.json"])
    for entry in manifest.models:
        if entry.note:
            typer.echo(f"{entry.file}: {entry.note}", err=True)
    tables.print_manifest(manifest.as_json(), output)
