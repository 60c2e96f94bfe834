"""What to try next: Optuna samplers under portfolios, a bandit over model families and a language model's ideas."""
