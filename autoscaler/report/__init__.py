"""What is said about decisions: sentences, status and conditions, events, metrics and the record. Nothing here decides."""
