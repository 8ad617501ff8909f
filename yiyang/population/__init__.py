"""A made-up, plausible county for demonstrations, tests and measurements: `yiyang generate`."""
