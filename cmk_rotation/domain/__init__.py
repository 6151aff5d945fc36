"""What the product talks about: values, words, and what may become of them. Standard library only, no input or output."""
