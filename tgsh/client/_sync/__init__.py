# Generated from tgsh/client/_async/__init__.py: do not edit. To generate it again:
# python -m tests.architecture.generate_sync
"""Implementation of `Client`, generated from `tgsh.client._async`."""
