"""The InferenceScaler: its schema, the CustomResourceDefinition that it generates, and the way from an object to a policy."""
