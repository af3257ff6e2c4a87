"""What the operator chooses: the profile's schema, its loader and the shipped profiles."""
