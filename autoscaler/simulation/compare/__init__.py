"""The comparison: every policy on every trace with the same seeds, the same tuning budget and the same price for what it takes.

It is tuned on the first part of a trace and judged on the last. What cannot be said of a trace is said to be so, never filled in.
"""
