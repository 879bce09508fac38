"""Find cancelled jobs among many failed ones, and failed ones among many cancelled, by the index alone."""

from alembic import op

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None

STATEMENTS = (
    # The status as it was written when the job failed: like the time before it, it changes only then, so that other updates stay in their page.
    "ALTER TABLE jobs ADD COLUMN failed_as text",
    "UPDATE jobs SET failed_as = status WHERE failed_at IS NOT NULL",
    "DROP INDEX jobs_failed_idx",
    "ALTER TABLE jobs DROP COLUMN failed_at",
    "CREATE INDEX jobs_failed_idx ON jobs (failed_as, id) WHERE failed_as IS NOT NULL",
)


def upgrade() -> None:
    for statement in STATEMENTS:
        op.execute(statement)


def downgrade() -> None:
    op.execute("ALTER TABLE jobs ADD COLUMN failed_at timestamptz")
    op.execute("UPDATE jobs SET failed_at = updated_at WHERE failed_as IS NOT NULL")
    op.execute("DROP INDEX jobs_failed_idx")
    op.execute("ALTER TABLE jobs DROP COLUMN failed_as")
    op.execute("CREATE INDEX jobs_failed_idx ON jobs (id) WHERE failed_at IS NOT NULL")
