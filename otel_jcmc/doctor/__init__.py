"""
`otel-jcmc doctor`: why a dashboard is empty. It checks each link from the page to Prometheus.

Settings and a few URLs come in. Findings go out: each says what works, or what fails and how to
mend it. The command asks by HTTP and by the store's own protocol. It changes and keeps nothing.
"""
