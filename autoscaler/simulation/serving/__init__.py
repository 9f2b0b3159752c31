"""What serves requests: request by request, or as a fluid where only rates are known."""
