"""Find failed and cancelled jobs among a million without reading all of them."""

from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None

STATEMENTS = (
    # Not an index on the status: its every change would leave the page. This column changes only when a job fails, or comes back.
    "ALTER TABLE jobs ADD COLUMN failed_at timestamptz",
    "UPDATE jobs SET failed_at = updated_at WHERE status IN ('error', 'cancelled')",
    "CREATE INDEX jobs_failed_idx ON jobs (id) WHERE failed_at IS NOT NULL",
)


def upgrade() -> None:
    for statement in STATEMENTS:
        op.execute(statement)


def downgrade() -> None:
    op.execute("DROP INDEX jobs_failed_idx")
    op.execute("ALTER TABLE jobs DROP COLUMN failed_at")
