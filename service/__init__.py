"""The HTTP side: FastAPI over the store. Reaches no torch, not even indirectly."""
