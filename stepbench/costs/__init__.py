"""What clips cost: seconds by stage, peak memory, energy, money. Measured while they are made, never guessed."""
