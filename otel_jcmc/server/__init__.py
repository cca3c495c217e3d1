"""
The server's end of connections, under uvicorn's server: framing, limits, a short way for pushes.

Bytes come in from sockets. Requests go out to the application; pushes go past ASGI to their
endpoint. A mounted application does not use this room. What a request means is decided in `web`.
"""
