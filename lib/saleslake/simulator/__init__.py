"""Made-up events for the streaming job, with everything that goes wrong on the way and the truth about what they say."""
