"""What a process and the server say to each other: framing, proxy, faults, events."""
