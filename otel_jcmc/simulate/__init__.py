"""
Simulates participants of conferences. They push to a service as browsers do.

The number of participants and the URL of a service come in. Pushes go out by HTTP, like the pushes
of a browser. This room imports no code of the service.
"""
