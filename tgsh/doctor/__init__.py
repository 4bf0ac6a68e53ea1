"""Checks of a machine and of the services that it uses: `tgsh doctor`.

They change nothing, and run where there is no torch.
"""
