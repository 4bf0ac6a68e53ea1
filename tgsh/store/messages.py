"""Job messages in Redis: one for each queued job, as Celery's workers read them.

They are written as Celery writes them (protocol 2), without Celery, which sends one after the other: a
thousand in one go take milliseconds. A test compares the two.
"""

from __future__ import annotations

import json
import os
import socket
import uuid
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from typing import Any

import redis

from tgsh.store.scheduling import RUN_JOB_TASK

TRACE = "tgsh.trace"
"""Begins the name under which the trace of an experiment's submission lies, for TRACE_SECONDS."""

TRACE_SECONDS = 7 * 86_400

AT_ONCE = 2_000
"""Messages of one command."""

TIMEOUT = 2.0
"""Seconds in which Redis has to answer."""

PROBE = "tgsh.probe"
"""Begins the name of the list through which a message is sent to see whether Redis takes and gives any."""

BODY = (
    "W1tdLCB7fSwgeyJjYWxsYmFja3MiOiBudWxsLCAiZXJyYmFja3MiOiBudWxsLCAiY2hhaW4iOiBudWxsLCAiY2hvcmQiOiBudWxsfV0="
)
"""No arguments, and nothing to be called afterwards: [[], {}, {"callbacks": null, …}] in base64."""

ERRORS = (redis.RedisError, OSError)
"""What a Redis that is away, full, hanging or not ours raises."""


def job_message(queue: str) -> dict[str, Any]:
    """A message with an id of its own, as kombu stores it."""
    identity = str(uuid.uuid4())
    return {
        "body": BODY,
        "content-encoding": "utf-8",
        "content-type": "application/json",
        "headers": {
            "lang": "py",
            "task": RUN_JOB_TASK,
            "id": identity,
            "shadow": None,
            "eta": None,
            "expires": None,
            "group": None,
            "group_index": None,
            "retries": 0,
            "timelimit": [None, None],
            "root_id": identity,
            "parent_id": None,
            "argsrepr": "()",
            "kwargsrepr": "{}",
            "origin": f"gen{os.getpid()}@{socket.gethostname()}",
            "ignore_result": True,
            "replaced_task_nesting": 0,
            "stamped_headers": None,
            "stamps": {},
        },
        "properties": {
            "correlation_id": identity,
            "reply_to": "",
            "delivery_mode": 2,
            "delivery_info": {"exchange": "", "routing_key": queue},
            "priority": 0,
            "body_encoding": "base64",
            "delivery_tag": str(uuid.uuid4()),
        },
    }


class JobMessages:
    """The queues of job messages. Every method raises one of ERRORS where Redis does not do as it should."""

    def __init__(self, redis_url: str, timeout: float = TIMEOUT) -> None:
        self._redis = redis.Redis.from_url(redis_url, socket_connect_timeout=timeout, socket_timeout=timeout)

    def waiting(self, queues: Iterable[str]) -> dict[str, int]:
        """The number of messages that wait in each of the queues."""
        names = list(queues)
        with self._redis.pipeline(transaction=False) as pipe:
            for name in names:
                pipe.llen(name)
            return dict(zip(names, pipe.execute(), strict=True))

    def publish(self, counts: Mapping[str, int]) -> None:
        """Publish so many messages in each queue, all of them in one go."""
        with self._redis.pipeline(transaction=False) as pipe:
            for queue, count in counts.items():
                for start in range(0, count, AT_ONCE):
                    batch = range(start, min(start + AT_ONCE, count))
                    pipe.lpush(queue, *(json.dumps(job_message(queue)) for _ in batch))
            if pipe.command_stack:
                pipe.execute()

    def drop(self, queue: str, count: int, waiting: int) -> None:
        """Remove so many messages of a queue, unless others than `waiting` are in it by now."""
        with self._redis.pipeline() as pipe:
            pipe.watch(queue)  # type: ignore[no-untyped-call]
            if pipe.llen(queue) != waiting:
                return
            pipe.multi()
            pipe.lpop(queue, count)
            with suppress(redis.WatchError):
                pipe.execute()

    def keep_trace(self, experiment_id: str, traceparent: str) -> None:
        """Keep the trace context in which an experiment was submitted; see tgsh.traces."""
        self._redis.set(f"{TRACE}.{experiment_id}", traceparent, ex=TRACE_SECONDS)

    def trace(self, experiment_id: str) -> str | None:
        """The trace context in which an experiment was submitted; None where none was kept."""
        found = self._redis.get(f"{TRACE}.{experiment_id}")
        return found.decode("ascii", "replace") if isinstance(found, bytes) else None

    def round_trip(self) -> None:
        """Publish a message and take it, in a list of its own."""
        name = f"{PROBE}.{uuid.uuid4().hex}"
        with self._redis.pipeline(transaction=False) as pipe:
            pipe.lpush(name, "")
            pipe.rpop(name)
            _, taken = pipe.execute()
        if taken is None:
            raise redis.RedisError("a message that was published was not there to be taken")

    def close(self) -> None:
        """Close the connections."""
        self._redis.close()


def lacking(
    messages: JobMessages, count_queued: Callable[[], Mapping[str, int]], queues: Sequence[str]
) -> tuple[dict[str, int], dict[str, int]]:
    """By queue: how many messages there are less than queued jobs (below 0: more), and how many wait.

    They are counted before and after the jobs are, so that what is published or taken meanwhile counts as
    neither too few nor too many.
    """
    before, queued, after = messages.waiting(queues), count_queued(), messages.waiting(queues)
    found = {}
    for queue in queues:
        fewest, most = sorted((before[queue], after[queue]))
        found[queue] = max(queued[queue] - most, 0) + min(queued[queue] - fewest, 0)
    return found, after
