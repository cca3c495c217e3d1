"""
`otel-jcmc doctor` finds why a dashboard is empty. It checks each step from page to Prometheus.

Settings and a few URLs come in. Findings go out: each finding tells what works, or what fails and
how to mend it. The command asks the service, the page and Prometheus by HTTP, and the store by the
store's own protocol. It changes no setting and writes no file.
"""
