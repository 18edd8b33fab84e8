"""How good a suggested learning rate is: the loss that training at it costs, on many tasks."""
