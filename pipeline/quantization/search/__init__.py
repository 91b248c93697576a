"""The accuracy budget: the fewest operators that must leave int8 for the accuracy to hold, each step measured."""
