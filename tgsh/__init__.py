"""tgsh: how do learning tasks relate to one another?

The science and the records of the service. Nothing here knows the web or the queue.
"""
