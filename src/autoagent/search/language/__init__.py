"""What the language-model samplers share: space and trials in words, repair of replies, and the count of it all."""
