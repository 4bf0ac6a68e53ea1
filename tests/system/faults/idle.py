"""What event streams cost while nothing happens: processor time and memory of the API."""

from __future__ import annotations

import asyncio
import statistics
import time
from pathlib import Path

import httpx

from tests.system.faults.load import SPEC
from tests.system.faults.stack import FaultStack, User
from tgsh.system import allow_many_files

EXPERIMENTS = 100
SECONDS = 10


def measure(folder: Path, streams: int) -> str:
    """A line for a person, of an API with so many streams on experiments that wait for a worker."""
    allow_many_files()
    stack = FaultStack(folder)
    try:
        stack.start("redis")
        stack.start("service")
        user = User(stack.url)
        user.ask("GET", "/livez")
        paths = [user.submit({**SPEC, "seed": seed}) for seed in range(EXPERIMENTS)]
        before = stack.parent("service").memory_info().rss
        return asyncio.run(_idle(stack, paths, streams, before))
    finally:
        stack.kill()


async def _idle(stack: FaultStack, paths: list[str], streams: int, before: int) -> str:
    limits = httpx.Limits(max_connections=None)
    async with httpx.AsyncClient(base_url=stack.url, timeout=None, limits=limits, trust_env=False) as http:
        opened = [asyncio.Event() for _ in range(streams)]
        tasks = [
            asyncio.create_task(_listen(http, paths[number % len(paths)], event))
            for number, event in enumerate(opened)
        ]
        await asyncio.wait_for(asyncio.gather(*(event.wait() for event in opened)), 120)
        await asyncio.sleep(2)
        api = stack.parent("service")
        began, busy = time.monotonic(), sum(api.cpu_times()[:2])
        reads = []
        while time.monotonic() - began < SECONDS:
            asked = time.perf_counter()
            (await http.get(paths[0])).raise_for_status()
            reads.append(1e3 * (time.perf_counter() - asked))
            await asyncio.sleep(0.1)
        share = (sum(api.cpu_times()[:2]) - busy) / (time.monotonic() - began)
        megabytes = (api.memory_info().rss - before) / 1e6
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    return (
        f"{streams} idle streams of {len(paths)} experiments: {share:.1%} of a core, {megabytes:.0f} MB, "
        f"a read beside them {statistics.median(reads):.0f} ms"
    )


async def _listen(http: httpx.AsyncClient, path: str, opened: asyncio.Event) -> None:
    async with http.stream("GET", f"{path}/events") as answer:
        answer.raise_for_status()
        async for _ in answer.aiter_lines():
            opened.set()
