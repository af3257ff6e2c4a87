"""The `bifrost` command: composition roots only."""
