"""The leaderboard: Streamlit pages over a board that `stepbench leaderboard build` has computed."""
