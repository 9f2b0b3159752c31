"""Loads from files: request logs as they are published, and counts per step; and how they are brought to the size of a fleet.

What cannot be read is refused with its file, line and remedy; whatever else is done to the rows is counted and told.
"""
