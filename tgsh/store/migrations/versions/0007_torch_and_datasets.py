"""what jobs need of a worker, and what workers have

Revision: 0007, after 0006
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

SUITES = ("augment", "custom")
"""Those whose transforms can compute new values of pixels; for what waits from before, better too many."""


def upgrade() -> None:
    for table in ("experiments", "previews"):
        op.add_column(
            table, sa.Column("needs_torch", sa.Boolean(), server_default=sa.false(), nullable=False)
        )
    op.add_column("workers", sa.Column("has_torch", sa.Boolean(), server_default=sa.true(), nullable=False))
    op.add_column("workers", sa.Column("datasets", sa.JSON(), nullable=True))
    op.add_column("workers", sa.Column("data_dir", sa.Text(), nullable=True))
    experiments, previews = _table("experiments"), _table("previews")
    network = experiments.c.spec["network"]["kind"].as_string()
    op.execute(_set(experiments, _suite(experiments).in_(SUITES) | (network != "flynet")))
    op.execute(_set(previews, _suite(previews).in_(SUITES)))


def _table(name: str) -> sa.TableClause:
    return sa.table(name, sa.column("spec", sa.JSON), sa.column("needs_torch", sa.Boolean))


def _suite(table: sa.TableClause) -> sa.ColumnElement[str]:
    kind: sa.ColumnElement[str] = table.c.spec["suite"]["kind"].as_string()
    return kind


def _set(table: sa.TableClause, condition: sa.ColumnElement[bool]) -> sa.Update:
    return table.update().where(condition).values(needs_torch=sa.true())


def downgrade() -> None:
    # Not in a batch: SQLite's new table would cost the old one's children.
    op.drop_column("workers", "data_dir")
    op.drop_column("workers", "datasets")
    op.drop_column("workers", "has_torch")
    for table in ("previews", "experiments"):
        op.drop_column(table, "needs_torch")
