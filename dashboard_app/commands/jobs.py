"""`jobs …`: what batching their status updates wins on this database."""

import tempfile
from pathlib import Path
from typing import Annotated

import typer

from dashboard_app.backend.jobs.assembly import job_limits
from dashboard_app.backend.jobs.simulation import Figures, Simulation
from dashboard_app.commands.workplace import Workplace, run, table
from dashboard_app.model.clock import SystemClock

app = typer.Typer(no_args_is_help=True, help="Jobs. Example: jobs simulate --jobs 3957 --workers 16", rich_markup_mode=None)


@app.command()
def simulate(
    jobs: Annotated[int, typer.Option(min=1, max=1_000_000, help="Jobs to make, take and report.")] = 3957,
    workers: Annotated[int, typer.Option(min=1, max=64, help="Threads that work on them.")] = 16,
) -> None:
    """Ingest jobs twice, every status written by itself and then batched, and print both. The jobs are deleted at the end.

    Example: jobs simulate --jobs 3957 --workers 16
    """

    async def work(at: Workplace) -> list[Figures]:
        settings = at.settings
        with tempfile.TemporaryDirectory(prefix="simulation-", dir=settings.data_dir) as folder:
            found = await Simulation(at.database, SystemClock(), job_limits(settings), Path(folder)).run(jobs, workers)
        await at.noted("jobs.write", f"simulation of {jobs} jobs", workers=workers)
        return found

    found = run(work)
    head = ("WAY", "UPDATES", "CHECKOUTS", "SECONDS", "UPDATES/S", "POOL PEAK", "COMPLETED")
    typer.echo(table([head, *[_row(one) for one in found]]))
    before, after = found
    typer.echo(
        f"\nBatched: {before.checkouts / max(after.checkouts, 1):.0f} times fewer checkouts, "
        f"{before.seconds / after.seconds:.1f} times as fast."
    )


def _row(one: Figures) -> tuple[str, ...]:
    """One line."""
    return (
        one.way,
        str(one.updates),
        str(one.checkouts),
        f"{one.seconds:.2f}",
        f"{one.updates / one.seconds:.0f}",
        str(one.pool_peak),
        str(one.completed),
    )
