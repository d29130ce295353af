"""The engine on NATS JetStream, file by file, and its faults on real servers."""
