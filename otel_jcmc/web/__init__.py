"""
Requests in, answers out: pushes, scrape, client file, token, sessions, health, OpenAPI.

This room knows HTTP: status codes, headers, CORS, the right to read. `wire` checks what a push
holds; `intake` checks who may push it and how often.
"""
