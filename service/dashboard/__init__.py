"""Dashboard: server-rendered HTML pages over the same functions as the JSON API.

`rendering` has what every page needs, `routes` the pages but that of an experiment, which is in
`experiment`, `plots` (its plot endpoint) and `traces` (what plotly.js draws). `guide` renders the documents.
"""
