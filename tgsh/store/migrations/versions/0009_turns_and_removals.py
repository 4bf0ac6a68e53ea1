"""turns of owners and experiments, priorities, lengths of leases, children of workers, removals

Revision: 0009, after 0008
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

JOBS = ("tasks", "finishes", "previews")
ORDER = ["owner", "priority", "served_at", "created_at", "experiment_id"]


def upgrade() -> None:
    # With a default of the server's, as an API of the version before may still insert.
    op.add_column(
        "experiments", sa.Column("priority", sa.Integer(), nullable=False, server_default=sa.text("0"))
    )
    for table in JOBS:
        op.add_column(table, sa.Column("lease_seconds", sa.Double(), nullable=True))
    op.add_column("workers", sa.Column("children", sa.JSON(), nullable=True))
    op.add_column("workers", sa.Column("version", sa.String(length=32), nullable=True))
    op.create_table(
        "experiment_turns",
        sa.Column("experiment_id", sa.String(length=16), nullable=False),
        sa.Column("owner", sa.String(length=64), nullable=False),
        sa.Column("priority", sa.Integer(), nullable=False),
        sa.Column("needs_torch", sa.Boolean(), nullable=False),
        sa.Column("served_at", sa.Double(), nullable=False),
        sa.Column("created_at", sa.Double(), nullable=False),
        sa.Column("token", sa.String(length=32), nullable=True),
        sa.ForeignKeyConstraint(
            ["experiment_id"],
            ["experiments.id"],
            name="fk_experiment_turns_experiment_id",
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("experiment_id", name="pk_experiment_turns"),
    )
    op.create_index("ix_experiment_turns_token", "experiment_turns", ["token"], unique=False)
    op.create_index("ix_experiment_turns_owner", "experiment_turns", ORDER, unique=False)
    op.create_index(
        "ix_experiment_turns_needs_torch_owner", "experiment_turns", ["needs_torch", *ORDER], unique=False
    )
    op.create_table(
        "owner_turns",
        sa.Column("owner", sa.String(length=64), nullable=False),
        sa.Column("served_at", sa.Double(), nullable=False),
        sa.PrimaryKeyConstraint("owner", name="pk_owner_turns"),
    )
    op.execute(
        "INSERT INTO experiment_turns (experiment_id, owner, priority, needs_torch, served_at, created_at) "
        "SELECT id, COALESCE(owner, ''), 0, needs_torch, COALESCE(served_at, 0), created_at FROM experiments "
        "WHERE status IN ('queued', 'running') AND NOT cancel_requested AND EXISTS (SELECT 1 FROM tasks "
        "WHERE tasks.experiment_id = experiments.id AND tasks.status = 'queued')"
    )
    op.execute(
        "INSERT INTO owner_turns (owner, served_at) "
        "SELECT owner, MAX(served_at) FROM experiment_turns GROUP BY owner"
    )
    op.create_table(
        "removals",
        sa.Column("key", sa.String(length=255), nullable=False),
        sa.Column("is_folder", sa.Boolean(), nullable=False),
        sa.Column("created_at", sa.Double(), nullable=False),
        sa.Column("retry_at", sa.Double(), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("key", name="pk_removals"),
    )
    op.create_index("ix_removals_retry_at", "removals", ["retry_at"], unique=False)


def downgrade() -> None:
    for table in ("removals", "owner_turns", "experiment_turns"):
        op.drop_table(table)
    for column in ("version", "children"):
        op.drop_column("workers", column)
    for table in JOBS:
        op.drop_column(table, "lease_seconds")
    op.drop_column("experiments", "priority")
