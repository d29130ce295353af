"""What a kill leaves behind: processes that publish and consume on one file, and are killed at random moments."""
