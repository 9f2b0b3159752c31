"""A user's InferenceScaler on their own history: what it would have done, what that costs, and what each of its guards costs.

`history` makes a workload of a series, `replica` a world of a scaler, `run` the runs; `whatif`, `guards` and `suggest` are the
changes that they are repeated with. Reading files, asking Prometheus and telling people is for the command.
"""
