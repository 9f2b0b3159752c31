"""The decision: how many replicas a target shall have, and why.

`pipeline.decide(policy, observation, memory)` is one pure function; the controller, the sandbox's demo, a replay and a simulation
all call it. Nothing here knows Kubernetes, HTTP or the clock: time is a field of the observation, and what was not measured is a
reading with a reason, never a zero.
"""
