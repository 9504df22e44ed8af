"""Training of the network: recipes, data made on the fly, loss, loop, calibration, export."""
