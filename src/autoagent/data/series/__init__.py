"""Series in a table: find them, divide them by time, measure forecasts of them."""
