"""Alembic's environment: always online, on the connection that its caller passes."""

from __future__ import annotations

from alembic import context

from tgsh.store.migrations import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata(),
    render_as_batch=True,
)
with context.begin_transaction():
    context.run_migrations()
