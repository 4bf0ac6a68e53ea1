"""confusion counts of tasks, copies in uploaded datasets

Revision: 0008, after 0007
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    # Null in what was completed and uploaded before: nobody counted there.
    op.add_column("tasks", sa.Column("balanced", sa.Double(), nullable=True))
    op.add_column("tasks", sa.Column("chance", sa.Double(), nullable=True))
    op.add_column("tasks", sa.Column("confusion", sa.LargeBinary(), nullable=True))
    op.add_column("datasets", sa.Column("report", sa.JSON(), nullable=True))


def downgrade() -> None:
    # Not in a batch: SQLite's new table would cost the old one's children.
    op.drop_column("datasets", "report")
    op.drop_column("tasks", "confusion")
    op.drop_column("tasks", "chance")
    op.drop_column("tasks", "balanced")
