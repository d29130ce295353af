"""What every engine must do, below a log: one file for each part of the interface."""
