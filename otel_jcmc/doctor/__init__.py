"""
`otel-jcmc doctor` finds out why a dashboard is empty: it checks each step from page to Prometheus.

Settings and a few URLs come in. Findings go out: each says that one thing works, or what fails and
how to mend it. The command sends requests by HTTP and by Redis's protocol. It writes no file. Its
only change is a test participant, which it removes again.
"""
