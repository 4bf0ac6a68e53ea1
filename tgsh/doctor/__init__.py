"""What may be wrong with this machine, and what to do about each: `tgsh doctor`.

Looks, and leaves nothing behind. See examination.py.
"""
