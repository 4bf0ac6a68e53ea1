"""The service from Python: `Client`, and `AsyncClient` with the same methods to await.

A method is one small function in experiments.py, results.py or service.py, which describes its call. What is
sent and how an answer is read is in calls.py; conversation.py repeats and reconnects; blocking.py and
awaiting.py alone touch a socket.
"""

from tgsh.client.awaiting import AsyncClient
from tgsh.client.blocking import Client

__all__ = ["AsyncClient", "Client"]
