"""What is written down about an exchange: counters and log lines."""
