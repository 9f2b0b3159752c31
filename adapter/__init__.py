"""The adapter: collects DCGM and queue metrics and serves them as ``custom.metrics.k8s.io``.

The rooms, in the order data flows: `sources` bring rows, `rules` turn rows into samples, `snapshot` holds them for readers,
`api` answers HPA, kubectl and the autoscaler. `kube` talks to the API server; `collect`, `serving` and ``__main__`` hold it
together.
"""
