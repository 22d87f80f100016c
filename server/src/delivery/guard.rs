//! Where a webhook may point: the guard against server-side request forgery.
//!
//! A URL is checked when it is saved and again at every attempt. At an attempt the name is resolved by
//! [`GuardedResolver`], and the connection goes to the very addresses that were checked, so a name that answers
//! differently the second time (DNS rebinding) gains nothing.
//!
//! Ranges: IANA's special-purpose address registries (RFC 6890 and its updates), with the RFC that reserves each. Of IPv6
//! only global unicast passes, and what of it is not reserved.

use std::error::Error;
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::pin::Pin;
use std::sync::Arc;
use std::time::Instant;

use ipnet::IpNet;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use url::{Host, Url};

use super::course::Course;

/// Refused ranges and what they are, v4 and v6; of several that hold an address the first says why.
const RESERVED: [(&str, &str); 36] = [
    ("0.0.0.0/8", "this network, RFC 791"),
    ("10.0.0.0/8", "a private network, RFC 1918"),
    ("100.64.0.0/10", "a carrier's shared network, RFC 6598"),
    ("127.0.0.0/8", "loopback, RFC 1122"),
    ("169.254.0.0/16", "link-local, where cloud metadata lives, RFC 3927"),
    ("172.16.0.0/12", "a private network, RFC 1918"),
    ("192.0.0.0/24", "reserved for protocols, RFC 6890"),
    ("192.0.2.0/24", "reserved for documents, RFC 5737"),
    ("192.88.99.0/24", "a 6to4 relay, RFC 7526"),
    ("192.168.0.0/16", "a private network, RFC 1918"),
    ("198.18.0.0/15", "reserved for benchmarks, RFC 2544"),
    ("198.51.100.0/24", "reserved for documents, RFC 5737"),
    ("203.0.113.0/24", "reserved for documents, RFC 5737"),
    ("224.0.0.0/4", "multicast, RFC 5771"),
    ("240.0.0.0/4", "reserved, RFC 1112"),
    ("::/128", "unspecified, RFC 4291"),
    ("::1/128", "loopback, RFC 4291"),
    ("::/96", "an IPv4-compatible address, RFC 4291"),
    ("::ffff:0:0:0/96", "an address translated from IPv4, RFC 7915"),
    ("64:ff9b:1::/48", "a translator's local network, RFC 8215"),
    ("100::/64", "discard-only, RFC 6666"),
    ("100:0:0:1::/64", "a dummy prefix, RFC 9780"),
    ("2001:20::/28", "an identifier and no address, RFC 7343"),
    ("2001::/32", "a Teredo tunnel, RFC 4380"),
    ("2001::/23", "reserved for protocols, RFC 2928"),
    ("2001:db8::/32", "reserved for documents, RFC 3849"),
    ("2002::/16", "a 6to4 tunnel, RFC 3056"),
    ("3fff::/20", "reserved for documents, RFC 9637"),
    ("5f00::/16", "segment routing, RFC 9602"),
    ("fc00::/7", "a private network, RFC 4193"),
    ("fe80::/10", "link-local, RFC 4291"),
    ("fec0::/10", "site-local, RFC 3879"),
    ("ff00::/8", "multicast, RFC 4291"),
    // Global unicast is 2000::/3.
    ("::/3", "not assigned, RFC 4291"),
    ("4000::/2", "not assigned, RFC 4291"),
    ("8000::/1", "not assigned, RFC 4291"),
];

/// What dev mode allows on top: receivers on the same machine and in the same house.
const DEVELOPMENT: [&str; 6] = ["127.0.0.0/8", "::1/128", "10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "fc00::/7"];

/// Decides which addresses webhooks may have.
#[derive(Clone, Debug)]
pub struct NetworkGuard {
    reserved: Vec<(IpNet, &'static str)>,
    allowed: Vec<IpNet>,
}

/// Why an address is refused.
#[derive(Debug, thiserror::Error)]
#[error("The address {address} is refused: it is {reason}. An operator can permit it with --allow-networks.")]
pub struct Refused {
    address: IpAddr,
    reason: &'static str,
}

impl NetworkGuard {
    /// `allowed` networks pass whatever they are; `development` adds loopback and private ones.
    pub fn new(allowed: &[IpNet], development: bool) -> Self {
        let development = if development { &DEVELOPMENT[..] } else { &[] };
        let parsed = |text: &str| text.parse::<IpNet>().ok();
        Self {
            reserved: RESERVED.iter().filter_map(|(text, reason)| Some((parsed(text)?, *reason))).collect(),
            allowed: allowed.iter().copied().chain(development.iter().filter_map(|text| parsed(text))).collect(),
        }
    }

    /// Whether a connection to the address is permitted.
    pub fn check(&self, address: IpAddr) -> Result<(), Refused> {
        // An IPv4 address inside an IPv6 one reaches the IPv4 host.
        let real = embedded_v4(address).map_or(address, IpAddr::V4);
        if self.allowed.iter().any(|network| network.contains(&real) || network.contains(&address)) {
            return Ok(());
        }
        match self.reserved.iter().find(|(network, _)| network.contains(&real)) {
            Some((_, reason)) => Err(Refused { address, reason }),
            None => Ok(()),
        }
    }

    /// Checks a URL's host where it is an address; a name is left to the resolver.
    pub fn check_literal(&self, url: &Url) -> Result<(), Refused> {
        match url.host() {
            Some(Host::Ipv4(address)) => self.check(address.into()),
            Some(Host::Ipv6(address)) => self.check(address.into()),
            _ => Ok(()),
        }
    }

    /// Checks a URL at save: the host's address, or what its name resolves to now. A name that does not resolve is
    /// accepted: it may tomorrow, and every attempt checks again.
    pub async fn check_at_save(&self, url: &TargetUrl) -> Result<(), Refused> {
        self.check_literal(&url.0)?;
        if let Some(Host::Domain(name)) = url.0.host() {
            let lookup = tokio::time::timeout(std::time::Duration::from_secs(2), tokio::net::lookup_host((name, 0)));
            if let Ok(Ok(addresses)) = lookup.await {
                for address in addresses {
                    self.check(address.ip())?;
                }
            }
        }
        Ok(())
    }
}

/// The IPv4 address that an IPv6 address stands for: v4-mapped (RFC 4291 section 2.5.5.2) or the well-known NAT64 prefix
/// (RFC 6052). A network's own NAT64 prefixes (RFC 8215) hold it in places that only that network knows.
fn embedded_v4(address: IpAddr) -> Option<Ipv4Addr> {
    let IpAddr::V6(address) = address else { return None };
    if let Some(mapped) = address.to_ipv4_mapped() {
        return Some(mapped);
    }
    const NAT64: Ipv6Addr = Ipv6Addr::new(0x64, 0xff9b, 0, 0, 0, 0, 0, 0);
    (address.to_bits() >> 32 == NAT64.to_bits() >> 32)
        .then(|| Ipv4Addr::from_bits((address.to_bits() & u128::from(u32::MAX)) as u32))
}

/// A webhook's URL: http or https, with a host, without a user name or password.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TargetUrl(Url);

impl TargetUrl {
    pub fn parse(text: &str) -> Result<Self, String> {
        if text.is_empty() {
            return Err("A webhook URL is needed, such as https://example.com/hook.".into());
        }
        if text.len() > 2048 {
            return Err(format!("A webhook URL has at most 2048 characters; this one has {}.", text.len()));
        }
        let url = Url::parse(text).map_err(|error| match error {
            url::ParseError::RelativeUrlWithoutBase => "A webhook URL starts with http:// or https://.".to_owned(),
            other => format!("This is not a URL: {other}."),
        })?;
        if !matches!(url.scheme(), "http" | "https") {
            return Err(format!("A webhook URL starts with http:// or https://, not with {}:.", url.scheme()));
        }
        if url.host().is_none() {
            return Err("The URL names no host.".into());
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err("A webhook URL holds no user name or password; put them in an Authorization header.".into());
        }
        Ok(Self(url))
    }

    pub fn as_url(&self) -> &Url {
        &self.0
    }

    pub fn as_str(&self) -> &str {
        self.0.as_str()
    }
}

impl fmt::Display for TargetUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A name that could not be resolved.
#[derive(Debug, thiserror::Error)]
#[error("The host name {name} could not be resolved ({reason}).")]
pub struct Unresolved {
    name: String,
    reason: String,
}

/// The addresses of a name, for the time of one connection.
pub type Found = Pin<Box<dyn Future<Output = std::io::Result<Vec<SocketAddr>>> + Send>>;

/// Looks names up.
pub trait Lookup: Send + Sync + 'static {
    fn addresses(&self, name: String) -> Found;
}

/// The system's resolver.
pub struct SystemLookup;

impl Lookup for SystemLookup {
    fn addresses(&self, name: String) -> Found {
        Box::pin(async move { Ok(tokio::net::lookup_host((name, 0)).await?.collect()) })
    }
}

/// A resolver that refuses what the guard refuses. One refused address refuses the name: a name with a public and a private
/// address is an attack or a mistake, and either way nothing to deliver to.
pub struct GuardedResolver {
    guard: Arc<NetworkGuard>,
    lookup: Arc<dyn Lookup>,
}

impl GuardedResolver {
    pub fn new(guard: Arc<NetworkGuard>, lookup: impl Lookup) -> Self {
        Self { guard, lookup: Arc::new(lookup) }
    }
}

impl Resolve for GuardedResolver {
    fn resolve(&self, name: Name) -> Resolving {
        let (guard, lookup) = (self.guard.clone(), self.lookup.clone());
        Box::pin(async move {
            let unresolved = |reason: String| Unresolved { name: name.as_str().to_owned(), reason };
            let clock = Instant::now();
            let found = lookup.addresses(name.as_str().to_owned()).await;
            Course::looked_up(clock.elapsed());
            let found = match found {
                Ok(addresses) => addresses,
                Err(error) => return Err(unresolved(error.to_string()).into()),
            };
            if found.is_empty() {
                return Err(unresolved("it has no address".into()).into());
            }
            for address in &found {
                guard.check(address.ip()).map_err(|refused| Box::new(refused) as Box<dyn Error + Send + Sync>)?;
            }
            Ok(Box::new(found.into_iter()) as Addrs)
        })
    }
}

#[cfg(test)]
mod tests;
