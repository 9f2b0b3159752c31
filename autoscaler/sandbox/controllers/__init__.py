"""What a control plane does by itself: each module keeps one promise, as a queue of keys and a function that puts a key right."""
