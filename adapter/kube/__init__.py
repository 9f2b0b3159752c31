"""What the adapter asks the Kubernetes API server: one thin client, watches that never end, and the reviews behind access.

Hot lists and watches are raw bodies decoded into small structs; the official client gives configuration, credentials and
transport.
"""
