"""
Reads connections under uvicorn's server: splits bytes into requests, limits them, speeds up pushes.

Bytes come in from sockets. Requests go out to the application; pushes go past ASGI to their
endpoint. A mounted application does not use this room. `web` decides what a request means.
"""
