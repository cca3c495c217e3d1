"""
Requests in, answers out: pushes, scrape, client file, token, sessions, health, OpenAPI.

It knows HTTP: status codes, headers, CORS, who may read. It does not check what a push holds
(`wire`), nor who may push it and how often (`intake`).
"""
