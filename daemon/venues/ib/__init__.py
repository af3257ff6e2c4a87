"""Interactive Brokers through ib_async: the only package that imports it.

What happens to one frame: `taps` (guarded, in order) -> `session` (whose business is it) -> `subscriptions` (quotes),
`broker_book` (orders, executions, commissions, positions), `account`, `probes` or the link -> a core event.
What happens to one order: `venue.place` -> `connection.not_ready` -> ib_async's client -> the socket.

`venue` owns the one loop that connects and reconnects, `connection` one socket, `contracts` what is traded,
`translate` and `errors` are the pure tables between the broker's words and ours.
"""
