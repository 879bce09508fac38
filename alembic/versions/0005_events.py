"""The history of events: the messages that readers got."""

from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

STATEMENTS = (
    # The payload is text, not jsonb: what readers got is given again byte for byte.
    """
    CREATE TABLE events (
        id bigint PRIMARY KEY,
        follows bigint NOT NULL,
        type text NOT NULL,
        origin text NOT NULL,
        payload text NOT NULL,
        count integer NOT NULL,
        created_at timestamptz NOT NULL DEFAULT now()
    ) WITH (autovacuum_vacuum_scale_factor = 0.05)
    """,
    "CREATE INDEX events_created_at_idx ON events USING brin (created_at)",
)


def upgrade() -> None:
    for statement in STATEMENTS:
        op.execute(statement)


def downgrade() -> None:
    op.execute("DROP TABLE events")
