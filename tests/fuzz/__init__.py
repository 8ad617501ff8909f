"""Every route, asked badly: what is wrong is the client's fault and said to be."""
