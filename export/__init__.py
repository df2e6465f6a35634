"""From a trained model to the bundle that the live route loads."""
