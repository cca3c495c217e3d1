"""
Makes a checked report from the bytes of a push.

The input is the body of a push. The output is a `Report`, which has every well-formed field and the
faults of all other fields. If the push must be refused, `PushRefused` is raised. This package
decides by the body alone: other packages check rates and tokens, and store the push.
"""
