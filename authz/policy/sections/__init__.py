"""The sections of the document become the parts of the PolicySet, each with what a person can get wrong in it."""
