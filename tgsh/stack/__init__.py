"""Redis, the API and the workers as supervised processes of one machine; see stack.py.

They are started by command, never by import, with the commands of the compose file.
"""
