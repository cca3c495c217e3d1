"""
What is wrong with a call: of one push its state, and the cause that explains it.

In come the numbers of a checked push, out come `good`, `fair`, `bad` or unknown and one word that
says where to look; both are stored with the push, so that gauges, history and spans say the same.
Knows nothing of Redis, of browsers or of other participants.
"""
