"""Where reports come from. One file a source; each is a small class with `poll` and `aclose`."""
