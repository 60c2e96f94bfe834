"""Reading, inspecting, splitting and judging tables; the trusted evaluator lives here."""
