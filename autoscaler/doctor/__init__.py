"""What is wrong with an installation, and what mends it: a thin reader of the cluster, and pure checks of what it saw."""
