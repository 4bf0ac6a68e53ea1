"""Webhooks of submissions: URLs that are allowed, and the state of what was sent."""

from __future__ import annotations

from datetime import UTC, datetime

from service.dependencies import Services
from service.middleware.auth import Caller
from tgsh.errors import InvalidSpec
from tgsh.schemas import Webhook, WebhookList
from tgsh.store import webhooks
from tgsh.store.webhooks import WebhookRecord
from tgsh.webhooks import AllowedHosts


def require_webhook(services: Services, url: str | None) -> None:
    """Raises InvalidSpec for a URL that is no webhook, or of a host that is not allowed."""
    if url is None:
        return
    refusal = AllowedHosts.parse(services.settings.webhook_hosts).refusal(url)
    if refusal is not None:
        raise InvalidSpec("webhook", refusal)


def webhook_list(services: Services, caller: Caller, subject_id: str) -> WebhookList:
    """The webhooks of an experiment or a study that the caller may see: the URLs of others are theirs."""
    records = webhooks.of_subject(services.database, subject_id)
    return WebhookList(items=[_view(each) for each in records if caller.may_change(each.owner)])


def _view(record: WebhookRecord) -> Webhook:
    def moment(seconds: float | None) -> datetime | None:
        return None if seconds is None else datetime.fromtimestamp(seconds, UTC)

    return Webhook.model_validate(
        {
            "id": record.id,
            "url": record.url,
            "status": record.status,
            "attempts": record.attempts,
            "response": record.response,
            "reason": record.reason,
            "next_at": moment(record.next_at) if record.status == "due" else None,
            "ended_at": moment(record.ended_at),
        }
    )
