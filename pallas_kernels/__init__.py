"""Raw accelerator kernels: arrays in, arrays out. None has landed yet."""
