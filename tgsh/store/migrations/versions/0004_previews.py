"""previews; when an experiment was last queued; what workers' memory and devices hold

Revision: 0004, after 0003
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "previews",
        sa.Column("key", sa.String(length=64), nullable=False),
        sa.Column("spec", sa.JSON(), nullable=False),
        sa.Column("tasks", sa.JSON(), nullable=False),
        sa.Column("tasks_total", sa.Integer(), nullable=False),
        sa.Column("artifact", sa.String(length=255), nullable=True),
        sa.Column("artifact_sha256", sa.String(length=64), nullable=True),
        sa.Column("created_at", sa.Double(), nullable=False),
        sa.Column("used_at", sa.Double(), nullable=False),
        sa.Column("status", sa.String(length=16), nullable=False),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("token", sa.String(length=32), nullable=True),
        sa.Column("lease_until", sa.Double(), nullable=True),
        sa.Column("worker", sa.String(length=255), nullable=True),
        sa.Column("started_at", sa.Double(), nullable=True),
        sa.Column("finished_at", sa.Double(), nullable=True),
        sa.PrimaryKeyConstraint("key", name="pk_previews"),
    )
    op.create_index("ix_previews_status", "previews", ["status"], unique=False)
    op.create_index("ix_previews_used_at", "previews", ["used_at"], unique=False)
    op.add_column("experiments", sa.Column("queued_at", sa.Double(), nullable=True))
    op.execute("UPDATE experiments SET queued_at = created_at")
    op.add_column(
        "workers", sa.Column("memory_bytes", sa.BigInteger(), nullable=False, server_default=sa.text("0"))
    )
    op.add_column("workers", sa.Column("device_memory_bytes", sa.BigInteger(), nullable=True))


def downgrade() -> None:
    for column in ("device_memory_bytes", "memory_bytes"):
        op.drop_column("workers", column)
    op.drop_column("experiments", "queued_at")
    op.drop_table("previews")
