"""Where orders go and prices come from, behind the protocol of `venues.protocol`."""
