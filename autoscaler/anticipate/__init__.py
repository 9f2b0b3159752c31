"""What will be asked of each target within one lead time: its load is collected, learned from beside the loop, and forecast."""
