"""Producer of job messages: wakes workers through Redis."""

from __future__ import annotations

import logging
import threading

import redis

from tgsh.store.database import Database
from tgsh.store.messages import ERRORS, JobMessages, lacking
from tgsh.store.scheduling import QUEUE, TORCH_QUEUE, count_by_queue

log = logging.getLogger(__name__)


class JobQueue:
    """The queue of job messages, at its producing end. The jobs themselves are in the database."""

    def __init__(self, redis_url: str) -> None:
        self._messages = JobMessages(redis_url)
        self._publishing = threading.Lock()
        self._is_requested = False

    def wake_workers(self, database: Database) -> None:
        """Publish the messages that are missing for one a queued job.

        One thread at a time: two would count the same messages, and where Redis hangs, one waits, not all.
        """
        self._is_requested = True
        while self._is_requested and self._publishing.acquire(blocking=False):
            try:
                self._is_requested = False
                self._publish(database)
            finally:
                self._publishing.release()

    def _publish(self, database: Database) -> None:
        try:
            found, _ = lacking(self._messages, lambda: count_by_queue(database), (QUEUE, TORCH_QUEUE))
            self._messages.publish({queue: count for queue, count in found.items() if count > 0})
        except ERRORS as error:
            log.warning("Redis takes no messages, new jobs wait for the workers to look: %s", error)

    def keep_trace(self, experiment_id: str, traceparent: str) -> None:
        """Keep the trace of a submission for the workers."""
        try:
            self._messages.keep_trace(experiment_id, traceparent)
        except ERRORS as error:
            log.warning("the jobs' traces are apart from the submission's, as Redis takes nothing: %s", error)

    def connection_error(self) -> str | None:
        """The reason why Redis does not take and give messages, and what to do; None where it does."""
        try:
            self._messages.round_trip()
        except ERRORS as error:
            reason = str(error)
            if isinstance(error, redis.OutOfMemoryError):
                reason = (
                    f"it is full and takes no messages, so that jobs start seconds later ({reason}); "
                    "raise its maxmemory, or remove what else is in it"
                )
            return reason
        return None

    def close(self) -> None:
        """Close every connection."""
        self._messages.close()
