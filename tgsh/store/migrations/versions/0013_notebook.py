"""notes and projects of experiments, who changed them, and experiments that were deleted lately

Revision: 0013, after 0012
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("experiments", sa.Column("notes", sa.Text(), nullable=True))
    op.add_column("experiments", sa.Column("project", sa.String(length=64), nullable=True))
    op.create_index("ix_experiments_project", "experiments", ["project"], unique=False)
    op.create_table(
        "experiment_changes",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("experiment_id", sa.String(length=16), nullable=False),
        sa.Column("changed_at", sa.Double(), nullable=False),
        sa.Column("changed_by", sa.String(length=64), nullable=True),
        sa.Column("field", sa.String(length=64), nullable=False),
        sa.Column("before", sa.JSON(), nullable=True),
        sa.Column("after", sa.JSON(), nullable=True),
        sa.ForeignKeyConstraint(
            ["experiment_id"],
            ["experiments.id"],
            name="fk_experiment_changes_experiment_id",
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name="pk_experiment_changes"),
    )
    op.create_index(
        "ix_experiment_changes_experiment_id", "experiment_changes", ["experiment_id"], unique=False
    )
    op.create_table(
        "deleted_experiments",
        sa.Column("id", sa.String(length=16), nullable=False),
        sa.Column("owner", sa.String(length=64), nullable=True),
        sa.Column("name", sa.String(length=255), nullable=False),
        sa.Column("tasks_total", sa.Integer(), nullable=False),
        sa.Column("created_at", sa.Double(), nullable=False),
        sa.Column("deleted_at", sa.Double(), nullable=False),
        sa.Column("deleted_by", sa.String(length=64), nullable=True),
        sa.Column("rows", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_deleted_experiments"),
    )
    op.create_index("ix_deleted_experiments_deleted_at", "deleted_experiments", ["deleted_at"], unique=False)
    op.create_index("ix_deleted_experiments_owner", "deleted_experiments", ["owner"], unique=False)


def downgrade() -> None:
    op.drop_table("deleted_experiments")
    op.drop_table("experiment_changes")
    op.drop_index("ix_experiments_project", table_name="experiments")
    op.drop_column("experiments", "project")
    op.drop_column("experiments", "notes")
