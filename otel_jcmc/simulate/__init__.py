"""
Simulates participants of conferences, and pushes to a service as their browsers would.

The number of participants and the URL of a service come in; pushes go out by HTTP, like those of a
browser. This room uses no code of the service.
"""
