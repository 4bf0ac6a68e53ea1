"""The paper's experiments run anew through the service, and its claims judged by what the service answers."""
