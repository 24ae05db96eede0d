"""Joules per token of any language-model server that speaks OpenAI's chat completions or Ollama's own."""
