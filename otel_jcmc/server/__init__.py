"""
Our uvicorn: sockets, certificate, connections, and a short way for pushes. Not used when mounted.

Bytes come in from sockets, requests go out to the application, pushes past ASGI to their endpoint.
What a request means is decided in `web`.
"""
