"""The metrics API as HPA, kubectl and the aggregation layer speak it.

`paths`, `documents`, `discovery`, `openapi` and `explain` are pure: text in, values and bytes out. The other modules answer
requests with them.
"""
