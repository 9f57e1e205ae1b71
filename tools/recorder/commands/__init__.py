"""One file a command: SUMMARY, EXAMPLE, add_arguments(parser), run(options, ui) -> exit code."""
