//! Where a server is.

use std::fmt;

use crate::SinkError;

/// The port of a server that names none.
const PORT: u16 = 7687;

/// A host and a port: `bolt://host:7687`, and nothing else.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Address {
    /// A name, or an address; one of IPv6 without its brackets.
    pub(crate) host: String,
    pub(crate) port: u16,
}

impl Address {
    /// Reads it.
    pub(crate) fn parse(url: &str) -> Result<Self, SinkError> {
        // The address is not repeated: it may hold a password.
        let refuse = |reason: &str| SinkError::Config { setting: "url", reason: reason.to_owned() };
        let Some((scheme, rest)) = url.split_once("://") else {
            return Err(refuse("it is not an address such as bolt://127.0.0.1:7687"));
        };
        match scheme {
            "bolt" => {}
            "bolt+s" | "bolt+ssc" | "neo4j+s" | "neo4j+ssc" => {
                return Err(refuse(
                    "TLS is not spoken to this kind of server; reach it through a tunnel, and name the tunnel's end as bolt://…",
                ));
            }
            "neo4j" => {
                return Err(refuse(
                    "clusters are not asked for their members; name the one that writes as bolt://…",
                ));
            }
            _ => return Err(refuse("it is not an address such as bolt://127.0.0.1:7687")),
        }
        if rest.contains('@') {
            return Err(refuse(
                "a name and a password do not belong into it: `user` is a setting, and the password stands in the environment",
            ));
        }
        let place = rest.strip_suffix('/').unwrap_or(rest);
        let (host, port) = match place.strip_prefix('[').and_then(|inner| inner.split_once(']')) {
            Some((host, "")) => (host, None),
            Some((host, port)) => (host, port.strip_prefix(':').or(Some(port))),
            None => match place.split_once(':') {
                Some((host, port)) => (host, Some(port)),
                None => (place, None),
            },
        };
        let port = port.map_or(Ok(PORT), str::parse);
        let plain = |c: char| c.is_ascii_alphanumeric() || ".-_:".contains(c);
        match port {
            Ok(port) if !host.is_empty() && port != 0 && host.chars().all(plain) => {
                Ok(Address { host: host.to_owned(), port })
            }
            _ => Err(refuse("it is not a host and a port such as bolt://127.0.0.1:7687")),
        }
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.host.contains(':') {
            true => write!(f, "bolt://[{}]:{}", self.host, self.port),
            false => write!(f, "bolt://{}:{}", self.host, self.port),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Address;

    #[test]
    fn addresses_are_read() {
        let check = |url: &str, expect: &str| assert_eq!(Address::parse(url).unwrap().to_string(), expect);
        check("bolt://127.0.0.1:7688", "bolt://127.0.0.1:7688");
        check("bolt://graph.example/", "bolt://graph.example:7687");
        check("bolt://[::1]:1", "bolt://[::1]:1");
        check("bolt://[::1]", "bolt://[::1]:7687");
    }

    #[test]
    fn what_is_no_address_is_refused() {
        let check = |url: &str, says: &str| {
            let said = Address::parse(url).unwrap_err().to_string();
            assert!(said.contains(says) && !said.contains("geheim"), "{said}");
        };
        check("localhost:7687", "such as bolt://");
        check("http://localhost", "such as bolt://");
        check("bolt+s://host", "tunnel");
        check("neo4j://host", "bolt://");
        check("bolt://ann:geheim@host", "environment");
        check("bolt://host:geheim", "a host and a port");
        check("bolt://", "a host and a port");
        check("bolt://host:0", "a host and a port");
        check("bolt://host/geheim", "a host and a port");
        check("bolt://[::1]x", "a host and a port");
    }
}
