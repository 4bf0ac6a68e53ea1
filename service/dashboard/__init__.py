"""Dashboard: server-rendered HTML pages over the same functions as the JSON API.

`rendering` has what every page needs, `table` is the start page, `routes` has others but that of an
experiment, which is in `experiment`, `plots` (its plot endpoint) and `traces` (what plotly.js draws).
`guide` renders the documents.
"""
