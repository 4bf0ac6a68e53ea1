"""Producer of job messages: wakes workers through Celery and Redis."""

from __future__ import annotations

import logging
import threading

import redis
from celery import Celery
from kombu.exceptions import OperationalError

from tgsh.store.database import Database
from tgsh.store.scheduling import MAX_JOB_MESSAGES, QUEUE, RUN_JOB_TASK, count_by_queue, job_messages_due

log = logging.getLogger(__name__)

CONNECT_SECONDS = 2.0


class JobQueue:
    """The queue of job messages, at its producing end. The jobs themselves are in the database."""

    def __init__(self, redis_url: str) -> None:
        self._celery = Celery("tgsh", broker=redis_url, set_as_current=False)
        self._celery.conf.update(
            task_default_queue=QUEUE,
            task_serializer="json",
            task_ignore_result=True,
            task_publish_retry=False,
            broker_transport_options={
                "socket_connect_timeout": CONNECT_SECONDS,
                "socket_timeout": CONNECT_SECONDS,
                "max_retries": 0,
            },
        )
        self._publishing = threading.Lock()
        self._is_requested = False
        self._redis = redis.Redis.from_url(
            redis_url, socket_connect_timeout=CONNECT_SECONDS, socket_timeout=CONNECT_SECONDS
        )

    def wake_workers(self, database: Database) -> None:
        """Publish a job message for every queued job, up to MAX_JOB_MESSAGES.

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
        queued = count_by_queue(database, MAX_JOB_MESSAGES)
        try:
            with self._celery.producer_pool.acquire(block=True, timeout=CONNECT_SECONDS) as producer:
                for queue, count in queued.items():
                    if not count:
                        continue
                    waiting = producer.channel.queue_declare(queue).message_count
                    for _ in range(job_messages_due(count, waiting)):
                        self._celery.send_task(RUN_JOB_TASK, queue=queue, producer=producer)
        except (OperationalError, redis.RedisError, OSError) as error:
            log.warning("the queue cannot be reached, new jobs wait for the sweeper: %s", error)

    def connection_error(self) -> str | None:
        """The reason why Redis cannot be reached; None where it can."""
        try:
            self._redis.ping()
        except redis.RedisError as error:
            return str(error)
        return None

    def close(self) -> None:
        """Close every connection."""
        self._celery.close()
        self._redis.close()
