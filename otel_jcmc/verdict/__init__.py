"""
What is wrong with a call: the state of one push, and the cause that explains it.

The numbers of a checked push come in. A state (`good`, `fair`, `bad` or unknown) and a cause, one
word for where to look, go out. Both are stored with the push, so gauges, history and spans agree.
What stands out among all participants is found here as well.
"""
