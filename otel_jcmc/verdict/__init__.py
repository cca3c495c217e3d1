"""
Finds what is wrong with a call: the state of one push, and the cause that explains the state.

The input is the numbers of a checked push. The output is a state (`good`, `fair`, `bad` or unknown)
and a cause (one word for the place of the fault, such as `uplink`). Both are stored with the push,
so gauges, history and spans show the same verdict. This package also finds what stands out among
all live participants: a bridge, for example, on which far more calls are bad than elsewhere.
"""
