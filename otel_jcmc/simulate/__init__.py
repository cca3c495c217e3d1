"""
Simulates participants of conferences. They push as browsers do.

The number of participants and the address of a service come in; pushes go out by HTTP, as from any
browser. This room shares no code with the service that it pushes to.
"""
