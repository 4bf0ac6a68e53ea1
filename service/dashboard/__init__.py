"""The pages for people: server-rendered HTML over the same functions as the JSON API. See frame.py first."""
