"""Requests a minute, counted in one Redis for all processes of an API."""

from __future__ import annotations

import asyncio
import logging
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import httpx
import pytest
import redis
from fastapi import FastAPI
from pydantic import SecretStr

from service.app import create_app
from service.middleware import quotas
from service.middleware.quotas import PREFIX, SharedQuota
from service.settings import ServiceSettings
from tests.support.people import bearer
from tests.support.serving import serving
from tgsh.api_keys import KeyFile
from tgsh.errors import QuotaExceeded
from tgsh.stack.redis import RedisConfig, find_server, wait_for_pong

A_MINUTE = 30


@contextmanager
def running_redis(config: RedisConfig) -> Iterator[subprocess.Popen[bytes]]:
    """A Redis of this configuration during the block."""
    server = subprocess.Popen(config.command(find_server()), cwd=config.folder, stdout=subprocess.DEVNULL)
    try:
        wait_for_pong(config, lambda: None)
        yield server
    finally:
        server.kill()
        server.wait()


@pytest.fixture
def config(tmp_path: Path) -> RedisConfig:
    """The configuration of a Redis."""
    return RedisConfig(tmp_path)


def made(home: Path, config: RedisConfig) -> FastAPI:
    settings = ServiceSettings(
        home=home, redis_url=SecretStr(config.url), requests_a_minute=A_MINUTE, allowed_hosts=("127.0.0.1",)
    )
    return create_app(settings)


async def take_many(quota: SharedQuota, times: int) -> None:
    for _ in range(times):
        await quota.take("alice")


def answered(clients: list[httpx.Client], headers: dict[str, str], count: int) -> list[httpx.Response]:
    return [clients[number % len(clients)].get("/catalog", headers=headers) for number in range(count)]


def test_two_processes_count_together(tmp_path: Path, config: RedisConfig) -> None:
    keys = KeyFile(tmp_path / "keys.json")
    alice, bob = (bearer(keys.add(name, "read", None)) for name in ("alice", "bob"))
    with running_redis(config), ExitStack() as stack:
        clients = [stack.enter_context(serving(made(tmp_path, config))) for _ in range(2)]
        started_at = time.monotonic()
        answers = answered(clients, alice, 2 * A_MINUTE)
        refilled = (time.monotonic() - started_at) * A_MINUTE / 60
        accepted = sum(answer.status_code == 200 for answer in answers)
        assert A_MINUTE <= accepted <= A_MINUTE + refilled + 1
        refused = [answer for answer in answers if answer.status_code != 200]
        assert {answer.status_code for answer in refused} == {429}
        assert all(1 <= int(answer.headers["retry-after"]) <= 3 for answer in refused)
        assert clients[0].get("/catalog", headers=bob).status_code == 200
        assert clients[1].get("/livez").status_code == 200
        with redis.Redis.from_url(config.url) as asked:
            assert 0 < asked.ttl(f"{PREFIX}alice") <= 120


def test_a_bucket_in_redis_is_filled_again_steadily(config: RedisConfig) -> None:
    async def take() -> None:
        quota = SharedQuota(600, config.url)  # ten a second
        await take_many(quota, 600)
        with pytest.raises(QuotaExceeded) as refused:
            await take_many(quota, 10_000)
        assert refused.value.retry_after == 1
        await asyncio.sleep(0.25)  # two or more are there again
        await quota.take("alice")
        await quota.close()

    with running_redis(config):
        asyncio.run(take())


def test_a_redis_that_is_away_or_full_leaves_each_process_its_own_count(
    config: RedisConfig, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(quotas, "RETRY_SECONDS", 0.0)
    caplog.set_level(logging.WARNING, logger=quotas.__name__)

    def told(words: str) -> int:
        return sum(words in line for line in caplog.messages)

    async def run() -> None:
        quota = SharedQuota(5, config.url)
        await take_many(quota, 5)
        with pytest.raises(QuotaExceeded):
            await quota.take("alice")
        assert (told("alone"), told("for all processes")) == (1, 0)
        with running_redis(config) as server:
            await take_many(quota, 3)
            assert (told("alone"), told("for all processes")) == (1, 1)
            with redis.Redis.from_url(config.url) as direct:
                direct.config_set("maxmemory", 1)  # full: no write is accepted
            with pytest.raises(QuotaExceeded):
                await take_many(quota, 9)
            assert (told("alone"), told("for all processes")) == (2, 1)
            server.kill()
        await quota.close()

    asyncio.run(run())


def test_a_redis_that_hangs_holds_up_one_request_for_a_moment(
    tmp_path: Path, config: RedisConfig, caplog: pytest.LogCaptureFixture
) -> None:
    alice = bearer(KeyFile(tmp_path / "keys.json").add("alice", "read", None))
    with running_redis(config) as server, serving(made(tmp_path, config)) as client:
        assert client.get("/catalog", headers=alice).status_code == 200
        server.send_signal(signal.SIGSTOP)
        try:
            answers = answered([client], alice, 10)
        finally:
            server.send_signal(signal.SIGCONT)
        assert {answer.status_code for answer in answers} == {200}
    assert sum("each process alone" in line for line in caplog.messages) == 1
