"""The policies of other autoscalers, written anew from their sources and documentation: each module names the version it ports.

A port keeps what its system does as it is shipped, its oddities included; where one has a mended twin, the twin is called so.
"""
