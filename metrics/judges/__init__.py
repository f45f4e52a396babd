"""Vision-language models that answer questions about clips, and the known questions that they must answer first."""
