"""
Answers HTTP requests: pushes, scrapes, client files, tokens, sessions, health, OpenAPI.

This package decides about status codes, headers, CORS, and which caller may read. `wire` checks the
content of a push. `intake` checks whether a sender may push, and how often.
"""
