"""Where Envoy's protobuf and our types meet, and the servers."""
