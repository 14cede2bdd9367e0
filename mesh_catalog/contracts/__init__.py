"""What a data product promises: ODCS in and out, rules, types, classification. Pure Python."""
