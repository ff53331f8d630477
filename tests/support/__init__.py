"""What tests of several rooms share. Holds no tests."""
