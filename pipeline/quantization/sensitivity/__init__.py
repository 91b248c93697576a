"""Which operators lose most to int8: each is quantized alone, by real kernels, and measured."""
