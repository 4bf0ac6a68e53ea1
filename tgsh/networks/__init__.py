"""Networks whose random weights never learn: `bases` draws the weights (no torch), one file a network uses them."""
