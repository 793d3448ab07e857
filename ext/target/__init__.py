"""What answers a request: an upstream over HTTP, a fixed reply."""
