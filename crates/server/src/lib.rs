//! How do machines ask? MCP.
