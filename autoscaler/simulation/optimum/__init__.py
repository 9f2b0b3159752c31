"""What somebody who knew the load beforehand would have done, under the same start-ups and bounds: the mark for regret.

The plan is exact for the pods that the load demands; what it is worth shows only when it is replayed through the simulator.
"""
