//! Addresses where webhooks may not point.

/// A URL that is refused, at save and at delivery.
#[derive(Clone, Copy, Debug)]
pub struct ForbiddenAddress {
    url: &'static str,
    /// A word of the reason.
    pub reason: &'static str,
    /// In dev mode too, which allows loopback and private networks.
    pub in_dev_mode: bool,
}

impl ForbiddenAddress {
    /// The URL; the port is that of a webhook on this machine, which must not be reached.
    pub fn url(&self, port: u16) -> String {
        self.url.replace("{port}", &port.to_string())
    }
}

const fn always(url: &'static str, reason: &'static str) -> ForbiddenAddress {
    ForbiddenAddress { url, reason, in_dev_mode: true }
}

const fn outside_dev_mode(url: &'static str, reason: &'static str) -> ForbiddenAddress {
    ForbiddenAddress { url, reason, in_dev_mode: false }
}

/// Whole URLs; every form of every range is in the guard's own table.
pub const FORBIDDEN_ADDRESSES: [ForbiddenAddress; 24] = [
    outside_dev_mode("http://127.0.0.1:{port}/", "loopback"),
    outside_dev_mode("http://127.1:{port}/", "loopback"),
    outside_dev_mode("http://2130706433:{port}/", "loopback"),
    outside_dev_mode("http://0x7f000001:{port}/", "loopback"),
    outside_dev_mode("http://0177.0.0.1:{port}/", "loopback"),
    outside_dev_mode("http://127.0.0.1.:{port}/", "loopback"),
    always("http://0.0.0.0:{port}/", "this network"),
    outside_dev_mode("http://[::1]:{port}/", "loopback"),
    always("http://[::]:{port}/", "unspecified"),
    outside_dev_mode("http://[::ffff:127.0.0.1]:{port}/", "loopback"),
    always("http://[::ffff:0:127.0.0.1]:{port}/", "translated"),
    outside_dev_mode("http://[64:ff9b::7f00:1]:{port}/", "loopback"),
    always("http://[64:ff9b:1::7f00:1]:{port}/", "translator"),
    always("http://[2002:7f00:1::]:{port}/", "6to4"),
    always("http://[2001:0:7f00:1::]:{port}/", "Teredo"),
    outside_dev_mode("http://10.0.0.1/", "private"),
    always("http://100.64.0.1/", "carrier"),
    always("http://169.254.169.254/latest/meta-data/", "metadata"),
    outside_dev_mode("http://[fd00:ec2::254]/latest/meta-data/", "private"),
    always("http://[fe80::1]/", "link-local"),
    always("http://224.0.0.1/", "multicast"),
    always("http://255.255.255.255/", "reserved"),
    always("http://203.0.113.1/", "documents"),
    outside_dev_mode("http://localhost:{port}/", "loopback"),
];
