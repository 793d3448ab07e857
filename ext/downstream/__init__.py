"""The client's side: codecs that turn a stream into exchanges."""
