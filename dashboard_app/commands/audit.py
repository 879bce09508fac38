"""`audit …`: who did what, and whether the log is whole."""

from typing import Annotated

import typer

from dashboard_app.access.audit_chain import ChainReport, head_of, told
from dashboard_app.commands.workplace import FAILED, Workplace, run
from dashboard_app.store.audit import Head

app = typer.Typer(no_args_is_help=True, help="The audit log. Example: audit verify", rich_markup_mode=None)


def _head(text: str) -> Head | None:
    """A row as `audit verify` prints it. Raises typer.BadParameter."""
    try:
        return head_of(text) if text else None
    except ValueError as wrong:
        raise typer.BadParameter(str(wrong)) from wrong


@app.command()
def verify(
    head: Annotated[str, typer.Option(help="A row that was printed before and kept elsewhere: the log must still hold it.")] = "",
) -> None:
    """Walk the whole log and say whether a row was changed, put in or taken out; exit code 1 when one was.

    Without --head the log is compared with the newest row that this machine has seen (DATA_DIR/audit-head).

    Example: audit verify
    """
    expected = _head(head)

    async def work(at: Workplace) -> ChainReport:
        return await at.audit.chain.verify(expected)

    report = run(work)
    if not report.is_whole:
        typer.echo(f"{report.problem} {report.rows} rows before it are as they were written.", err=True)
        raise typer.Exit(FAILED)
    typer.echo(f"{report.rows} rows, each as it was written. The newest: {told(report.head)}")
