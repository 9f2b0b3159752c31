"""What an InferenceScaler would have been worth to Deployments that have none, from a Prometheus alone."""
