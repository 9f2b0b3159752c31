"""A simulated fleet of inference pods under any autoscaler: what a policy would have done with a load, what it would have cost.

The clock is virtual, chance is seeded by cause, and our own policy is the very `decide` that runs in the controller. Results are
results of a simulation, and are called so wherever they are shown.
"""
