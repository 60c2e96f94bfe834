"""Language models: one door, scripted and recorded ones, and the meter before them."""
