"""What GPUs are held, for how long, and what that costs: numbers from what is seen of pods and nodes. Pure: time is an argument."""
