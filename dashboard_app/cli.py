"""The commands. Exit code 0: done; 1: failed; 2: wrong usage or wrong settings. Errors are one plain line on stderr."""

import typer

from dashboard_app.commands import audit, jobs, sources, tokens, users, vault
from dashboard_app.commands import doctor as doctor_command
from dashboard_app.commands.workplace import FAILED, Workplace, run, settings_or_exit
from dashboard_app.serve import serve as serve_app
from dashboard_app.store.migrations import head_revision

app = typer.Typer(
    name="spillway",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    help="Spillway: watch databases without being the cause of the outage. Commands work beside a running app and without one. "
    "Example: spillway doctor",
)
app.add_typer(users.app, name="user")
app.add_typer(tokens.app, name="token")
app.add_typer(sources.app, name="sources")
app.add_typer(jobs.app, name="jobs")
app.add_typer(audit.app, name="audit")
app.add_typer(vault.app, name="vault")


@app.command()
def serve() -> None:
    """Serve dashboard and API on one port until Ctrl-C or SIGTERM.

    Example: serve
    """
    raise typer.Exit(serve_app(settings_or_exit()))


@app.command()
def migrate() -> None:
    """Bring the database to the newest revision. `serve` does this by itself.

    Example: migrate
    """

    async def work(_at: Workplace) -> str:
        return head_revision()  # a workplace is on the newest revision

    typer.echo(f"The database is at revision {run(work)}.")


@app.command()
def doctor() -> None:
    """Print every setting with its origin, and check what Spillway needs; exit code 1 when something is wrong.

    Example: doctor
    """
    loaded = settings_or_exit()
    typer.echo(doctor_command.settings_table(loaded))
    typer.echo("")
    found = doctor_command.findings(loaded.values)
    for finding in found:
        typer.echo(f"{'ok  ' if finding.is_well else 'FAIL'}  {finding.name:<12} {finding.found}")
    if not all(finding.is_well for finding in found):
        raise typer.Exit(FAILED)
