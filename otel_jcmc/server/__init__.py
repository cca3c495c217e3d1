"""
Our end of connections, under uvicorn's server: framing, limits, a short way for pushes.

Bytes come in from sockets, requests go out to the application, pushes past ASGI to their endpoint.
Not used when mounted. What a request means is decided in `web`.
"""
