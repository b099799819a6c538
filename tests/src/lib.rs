//! What the journeys across real processes share.
