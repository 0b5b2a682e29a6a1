"""What could not be read."""


class SourceUnreadableError(Exception):
    """A schema or a sample could not be read. The text begins with the place, and never has a value in it."""
