"""Jobs, built from what they need. No I/O."""

from dashboard_app.backend.jobs.neighbours import Pool
from dashboard_app.backend.jobs.service import Jobs
from dashboard_app.backend.jobs.updater import Updater
from dashboard_app.model.clock import Clock
from dashboard_app.policy.batching import BatchLimits
from dashboard_app.settings import Settings
from dashboard_app.store.jobs import JobStore
from dashboard_app.store.segments import SegmentLog


def build_jobs(store: JobStore, pool: Pool, clock: Clock, settings: Settings) -> Jobs:
    """Jobs on the guarded pool, with their journal when the settings ask for one."""
    journal = SegmentLog(settings.data_dir / "job-journal") if settings.job_journal else None
    return Jobs(store, Updater(store, pool, clock, job_limits(settings), journal=journal, batching=settings.job_batching))


def job_limits(settings: Settings) -> BatchLimits:
    """The updater's numbers in the settings."""
    return BatchLimits(settings.job_batch_size, settings.job_flush_s, settings.job_batch_max, settings.job_queue_max)
