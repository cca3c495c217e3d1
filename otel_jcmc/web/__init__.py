"""
Requests in, answers out: pushes, scrape, client file, token, sessions, health, OpenAPI.

This room knows HTTP: status codes, headers, CORS, the right to read. `wire` checks the content of a
push; `intake` checks whether its sender may push, and how often.
"""
