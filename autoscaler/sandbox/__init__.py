"""A cluster on loopback for the demo and the tests: an API server that both daemons run against unmodified, with simulated GPUs.

`cluster` is the way in. Below it stand, from the bottom up: `store` (objects, one revision counter, the event logs), `registry`
(which kinds there are), `verbs` (what create, update, patch and delete mean), `routes` and `watch` (HTTP), `aggregation` (the
proxy to extension API servers) and `controllers` (what a control plane does by itself).

It is a verified fake: the tests in ``tests/contract`` hold for it and for a real kube-apiserver. It leaves out what Leadtime does
not use: protobuf, tables of built-in kinds, server-side apply, admission webhooks, quotas, CEL rules, and the check that
nobody grants more than they have. On purpose it differs in one point: pods have loopback addresses, and EndpointSlices may hold
them, so that whoever plays a pod can serve on its address.
"""
