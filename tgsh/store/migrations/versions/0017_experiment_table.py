"""configurations, seeds and balanced accuracies of experiments, for lists and groups of 100,000

Revision: 0017, after 0013
"""

from __future__ import annotations

import hashlib
import json
from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0017"
down_revision = "0013"
branch_labels = None
depends_on = None

CHUNK = 500

OWN = ("name", "tags", "seed", "base_seed")

LISTED = (
    "configuration_id created_at id status project owner shared suite dataset seed base_seed mean_accuracy "
    "mean_balanced started_at finished_at tasks_total name"
)

_BALANCED = """
UPDATE experiments SET mean_balanced = (
    SELECT CASE WHEN COUNT(*) = COUNT(tasks.balanced) THEN AVG(tasks.balanced) END FROM tasks
    WHERE tasks.experiment_id = experiments.id AND tasks.status = 'completed'
) WHERE status IN ('completed', 'failed', 'cancelled')
"""


def upgrade() -> None:
    op.create_table(
        "configurations",
        sa.Column("id", sa.String(length=32), nullable=False),
        sa.Column("spec", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_configurations"),
    )
    op.add_column("experiments", sa.Column("mean_balanced", sa.Double(), nullable=True))
    op.add_column("experiments", sa.Column("configuration_id", sa.String(length=32), nullable=True))
    op.add_column("experiments", sa.Column("seed", sa.BigInteger(), nullable=True))
    op.add_column("experiments", sa.Column("base_seed", sa.BigInteger(), nullable=True))
    _fill(op.get_bind())
    op.execute(_BALANCED)
    op.create_index("ix_experiments_listed", "experiments", LISTED.split(), unique=False)
    noted = sa.text("notes IS NOT NULL")
    op.create_index(
        "ix_experiments_noted",
        "experiments",
        ["id"],
        unique=False,
        sqlite_where=noted,
        postgresql_where=noted,
    )


def downgrade() -> None:
    op.drop_index("ix_experiments_noted", table_name="experiments")
    op.drop_index("ix_experiments_listed", table_name="experiments")
    for column in ("base_seed", "seed", "configuration_id", "mean_balanced"):
        op.drop_column("experiments", column)
    op.drop_table("configurations")


def _fill(connection: sa.Connection) -> None:
    """Give every experiment its configuration; the same text as tgsh.store.configurations has of it."""
    experiments = sa.table(
        "experiments", sa.column("id"), sa.column("spec", sa.JSON()), sa.column("configuration_id"),
        sa.column("seed", sa.BigInteger()), sa.column("base_seed", sa.BigInteger()),
    )  # fmt: skip
    configurations = sa.table("configurations", sa.column("id"), sa.column("spec", sa.JSON()))
    known: set[str] = set()
    last = ""
    while True:
        query = sa.select(experiments.c.id, experiments.c.spec).where(experiments.c.id > last)
        rows = connection.execute(query.order_by(experiments.c.id).limit(CHUNK)).all()
        if not rows:
            return
        last = rows[-1].id
        values: list[dict[str, Any]] = []
        new: dict[str, Any] = {}
        for id, spec in rows:
            common = {key: value for key, value in spec.items() if key not in OWN}
            canonical = json.dumps(common, sort_keys=True, separators=(",", ":"))
            digest = hashlib.sha256(canonical.encode()).hexdigest()[:32]
            if digest not in known:
                known.add(digest)
                new[digest] = common
            values.append({"of": id, "to": digest, "s": spec.get("seed"), "b": spec.get("base_seed")})
        if new:
            connection.execute(
                sa.insert(configurations), [{"id": id, "spec": spec} for id, spec in new.items()]
            )
        connection.execute(
            sa.update(experiments)
            .where(experiments.c.id == sa.bindparam("of"))
            .values(configuration_id=sa.bindparam("to"), seed=sa.bindparam("s"), base_seed=sa.bindparam("b")),
            values,
        )
