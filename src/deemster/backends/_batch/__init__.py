"""Requests answered by a provider's batch API: kept, submitted, waited for, matched."""
