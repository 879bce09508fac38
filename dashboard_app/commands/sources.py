"""`sources …`: the databases to watch."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from dashboard_app.backend.sources.exchange import TEXT_LIMIT_BYTES, ImportReport, export_sources, import_sources
from dashboard_app.commands.workplace import FAILED, WRONG_USAGE, Workplace, asked_password, run, table
from dashboard_app.model.errors import NotFound
from dashboard_app.model.source import BUILT_KINDS, Source, SourceKind, SourceSettings, TestReport

app = typer.Typer(
    no_args_is_help=True, help="Data sources. Example: sources add orders --host db.example.org --username spillway", rich_markup_mode=None
)

_KIND_HELP = f"What speaks there. Supported today: {', '.join(sorted(BUILT_KINDS))}."


@app.command()
def add(
    name: Annotated[str, typer.Argument(help="A name of its own.", show_default=False)],
    *,
    host: Annotated[str, typer.Option(help="Host name or address.", show_default=False)],
    username: Annotated[str, typer.Option(help="Who signs in there; a service has none.", show_default=False)] = "",
    port: Annotated[int, typer.Option(min=1, max=65_535)] = 5432,
    database: Annotated[str, typer.Option(help="The database; without: the one named like the user.")] = "",
    kind: Annotated[SourceKind, typer.Option(help=_KIND_HELP)] = SourceKind.POSTGRESQL,
    environment: Annotated[str, typer.Option(help="production, staging …")] = "",
    tag: Annotated[list[str] | None, typer.Option(help="May be given more than once.")] = None,
    option: Annotated[
        list[str] | None, typer.Option(help="name=value, such as sslmode=require or base_path=/orders; more than once.")
    ] = None,
    disabled: Annotated[bool, typer.Option("--disabled", help="Register it without watching it.")] = False,
    no_password: Annotated[bool, typer.Option("--no-password", help="Do not ask for a password.")] = False,
) -> None:
    """Register a source. The password is asked for, or read from the standard input.

    Example: sources add orders --host db.example.org --username spillway --option sslmode=require
    Example: sources add orders-api --kind service --host orders.example.org --port 443
    """
    settings = SourceSettings(
        name=name,
        kind=kind,
        host=host,
        port=port,
        database=database,
        username=username,
        password=None if no_password else asked_password(),
        options=_options(option or []),
        environment=environment,
        tags=tuple(tag or ()),
        enabled=not disabled,
    )

    async def work(at: Workplace) -> Source:
        source = await at.parts.sources.create(settings)
        await at.noted("sources.write", f"{source.name} (source {source.id})", event="create")
        return source

    source = run(work)
    typer.echo(f"Added source {source.id} ({source.name}).")


@app.command("list")
def list_() -> None:
    """List the sources.

    Example: sources list
    """

    async def work(at: Workplace) -> tuple[Source, ...]:
        return at.parts.sources.everything()

    rows = [
        (str(one.id), one.name, one.kind.value, f"{one.host}:{one.port}/{one.database}", "enabled" if one.enabled else "disabled")
        for one in run(work)
    ]
    typer.echo(table([("ID", "NAME", "KIND", "WHERE", "STATE"), *rows]))


@app.command("import")
def import_(
    file: Annotated[str, typer.Argument(help="A YAML file as `sources export` writes it; - reads the standard input.", show_default=False)],
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would change, and change nothing.")] = False,
    prune: Annotated[bool, typer.Option("--prune", help="Remove the sources that the file does not name.")] = False,
) -> None:
    """Add and change the sources that a file names. The whole file is checked first.

    Example: sources import sources.yaml --dry-run
    """
    text = _text_of(file)

    async def work(at: Workplace) -> ImportReport:
        report = await import_sources(at.parts.sources, text, dry_run=dry_run, prune=prune)
        if not dry_run:
            await at.noted("sources.write", "import", event="import", new=report.new, changed=report.changed, removed=report.removed)
        return report

    typer.echo(run(work).sentence() + (" (dry run: nothing was changed)" if dry_run else ""))


@app.command()
def export(file: Annotated[str, typer.Argument(help="Where to; - writes to the standard output.")] = "-") -> None:
    """Write every source but the built-in one as YAML, without passwords.

    Example: sources export sources.yaml
    """

    async def work(at: Workplace) -> str:
        return export_sources(at.parts.sources)

    text = run(work)
    if file == "-":
        typer.echo(text, nl=False)
        return
    try:
        Path(file).write_text(text, encoding="utf-8")
    except OSError as error:
        typer.echo(f"{file}: {error.strerror}", err=True)
        raise typer.Exit(FAILED) from error


@app.command()
def test(source: Annotated[str, typer.Argument(help="Its id or name.", show_default=False)]) -> None:
    """Try to reach a registered source, step by step; exit code 1 when it cannot be reached.

    Example: sources test orders
    """

    async def work(at: Workplace) -> TestReport:
        found = _find(at.parts.sources.everything(), source)
        target = at.parts.sources.target(found.id)
        settings = SourceSettings(
            name=found.name,
            kind=found.kind,
            host=target.host,
            port=target.port,
            database=target.database,
            username=target.username,
            password=target.password,
            options={**found.options, "sslmode": target.sslmode, **({"sslrootcert": target.sslrootcert} if target.sslrootcert else {})},
        )
        return await at.parts.probing.test(settings)

    report = run(work)
    for step in report.steps:
        typer.echo(f"{'ok  ' if step.ok else 'FAIL'}  {step.name:<8} {step.ms:8.1f} ms  {step.message}".rstrip())
    if not report.ok:
        raise typer.Exit(FAILED)


def _find(sources: tuple[Source, ...], wanted: str) -> Source:
    """The source with this name, else with this id. Raises NotFound."""
    by_name = next((source for source in sources if source.name == wanted), None)
    found = by_name or next((source for source in sources if str(source.id) == wanted), None)
    if found is None:
        raise NotFound(f"There is no source {wanted!r}.")
    return found


def _options(given: list[str]) -> dict[str, str]:
    """name=value pairs as a mapping. Raises typer.BadParameter."""
    pairs = [text.partition("=") for text in given]
    if any(not equals for _, equals, _ in pairs):
        raise typer.BadParameter("an option is name=value, such as sslmode=require")
    return {name: value for name, _, value in pairs}


def _text_of(file: str) -> str:
    """What is in the file. A file that cannot be read is wrong usage; one that holds no text has failed."""
    try:
        raw = sys.stdin.buffer.read(TEXT_LIMIT_BYTES + 1) if file == "-" else Path(file).read_bytes()
        return raw.decode("utf-8")
    except UnicodeDecodeError as error:
        typer.echo(f"{file}: this is not text in UTF-8", err=True)
        raise typer.Exit(FAILED) from error
    except OSError as error:
        typer.echo(f"{file}: {error.strerror}", err=True)
        raise typer.Exit(WRONG_USAGE) from error
