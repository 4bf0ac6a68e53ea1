"""experiments are served in turn; hints are no longer noted job by job

Revision: 0002, after 0001
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("experiments", sa.Column("served_at", sa.Double(), nullable=True))
    for table in ("tasks", "finishes"):
        with op.batch_alter_table(table, schema=None) as batch_op:
            batch_op.drop_column("queued_at")
            batch_op.drop_column("published_at")
    op.create_index(
        "ix_tasks_experiment_id_status", "tasks", ["experiment_id", "status", "task_index"], unique=False
    )


def downgrade() -> None:
    op.drop_index("ix_tasks_experiment_id_status", "tasks")
    for table in ("tasks", "finishes"):
        with op.batch_alter_table(table, schema=None) as batch_op:
            batch_op.add_column(sa.Column("queued_at", sa.Double(), nullable=True))
            batch_op.add_column(sa.Column("published_at", sa.Double(), nullable=True))
    op.drop_column("experiments", "served_at")
