"""The two bilingual text encoders: Step-LLM, a causal language model, and the text tower of Hunyuan-CLIP."""
