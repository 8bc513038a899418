"""What a run tells people when it ends, by e-mail or webhook."""
