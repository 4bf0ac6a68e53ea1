"""Networks whose random weights never learn: `bases` draws those weights (no torch), one file a network uses them."""
