"""
`otel-jcmc doctor`: why a dashboard is empty, asked link by link from the page to Prometheus.

Settings and a few URLs come in, findings go out: what is well, what is not and what to do about it.
It asks as others would, by HTTP and the store's own protocol. It mends nothing and keeps nothing.
"""
