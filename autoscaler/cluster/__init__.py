"""The cluster as the controller sees it: scalers, targets, pods and metrics, read in bulk and kept up to date."""
