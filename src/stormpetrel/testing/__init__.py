"""Public helpers for tests of extensions: fakes, generators and contract suites."""
