"""Rules written once: a document becomes an immutable PolicySet, which evaluates and explains. No file is opened here."""
