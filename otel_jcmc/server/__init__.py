"""
Reads connections for uvicorn's server: splits bytes into requests, sets limits, speeds up pushes.

Bytes come in from sockets. Most pushes go directly to the push endpoint, without ASGI; all other
requests go to the application by ASGI. If another program mounts our application, that program's
server reads the connections, and this package is not used. `web` decides what a request means.
"""
