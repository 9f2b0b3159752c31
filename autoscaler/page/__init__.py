"""The controller's web page: what it sees, what it decides and why, for people. Read-only, and nothing without ``--page``."""
