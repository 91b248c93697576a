"""What each operator takes on this host, by LiteRT's own profiler, and why it takes so long."""
