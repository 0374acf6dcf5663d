"""Doubtful segments and who decides them: rules, a person, or a language model."""
