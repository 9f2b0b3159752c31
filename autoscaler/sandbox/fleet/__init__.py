"""A simulated GPU fleet: engines that batch and queue requests, the load offered to them, and the pages that exporters would show.

`engine`, `load`, `pages` and `simulation` are pure and take the time as an argument; `process` follows the pods of a cluster and
serves the pages.
"""
