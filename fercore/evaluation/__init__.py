"""What a network is worth: its answers, what is kept of them, and runs against runs."""
