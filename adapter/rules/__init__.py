"""From rows to samples: which series a rule wants, which object each row belongs to, and how many rows become one value."""
