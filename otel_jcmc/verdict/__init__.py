"""
Finds what is wrong with a call: the state of one push, and the cause that explains the state.

The numbers of a checked push come in. A state (`good`, `fair`, `bad` or unknown) and a cause (one
word for where to look) go out. Both are stored with the push, so gauges, history and spans agree.
This package also finds what stands out among all participants.
"""
