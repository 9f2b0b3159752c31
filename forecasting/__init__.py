"""The numerical library: arrays in, quantiles out. It knows neither Kubernetes, HTTP, replicas nor the clock."""
