"""Interactive Brokers through ib_async: the only package that imports it.

What happens to one frame: `framing` (is it one) -> `decoding` (can it be read) -> `taps` (guarded, in order) ->
`session` (whose business is it) -> `market_data` (`subscriptions`, `line`, `sanity`: quotes), `broker_book` (orders,
executions, commissions, positions), `account`, `probes` or the link -> a core event. What happens to one order:
`venue.place` -> `connection.not_ready` -> `order_entry` -> ib_async's client -> the socket.

`venue` owns the one loop that connects and reconnects, `connection` one socket, `upstream` TWS's own line behind it,
`contracts` what is traded; `restart_windows`, `translate` and `errors` are pure: local hours to UTC, and the tables
between the broker's words and ours.
"""
