"""One file per claim of the README: what Leadtime costs and how fast it is, beside its peers, in one run on one machine."""
