//! Which copies a mirror holds, and what it earns by serving them. No clock, no sockets, no disk.
