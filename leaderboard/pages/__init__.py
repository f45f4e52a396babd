"""One file per page: it reads from `leaderboard.data`, draws with `leaderboard.charts`, and lays out."""
