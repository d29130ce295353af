"""What every engine must do: the suite runs on each, made by the fixtures of `conftest`."""
