"""Who may use a served study or board: invite links, roles, rate limits, and when a server may be reached at all."""
