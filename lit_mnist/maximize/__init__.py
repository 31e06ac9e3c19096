"""Images that maps and classes want: activation maximisation. Nothing here draws."""
