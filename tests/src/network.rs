//! Several hosts on one machine: a network namespace each, on one switch that can be cut in two.
//!
//! The switch is a bridge in a namespace of its own, so that nothing of the machine's own network
//! is touched; a cut is a rule of its packet filter. Needs root, `ip` and `nft`; says so where it
//! cannot run. Everything is gone when the network is dropped.

use std::io::{self, Write as _};
use std::net::Ipv4Addr;
use std::path::Path;
use std::process::{Command, Stdio};

/// One host of a network.
#[derive(Clone, Debug)]
pub struct Host {
    namespace: String,
    /// Where the others reach it.
    pub addr: Ipv4Addr,
}

impl Host {
    /// `program`, run on this host.
    pub fn command(&self, program: &Path) -> Command {
        let mut command = Command::new("ip");
        command.args(["netns", "exec", &self.namespace]).arg(program);
        command
    }
}

/// A switch and its hosts.
#[derive(Debug)]
pub struct Network {
    switch: String,
    hosts: Vec<Host>,
}

impl Network {
    /// A network of `count` hosts (at most 200) that all reach each other.
    ///
    /// # Errors
    /// When this machine does not allow it; what was begun is taken away again.
    pub fn new(count: u8) -> io::Result<Self> {
        let name = format!("catalog-test-{}", std::process::id());
        let mut network = Self { switch: format!("{name}-switch"), hosts: Vec::new() };
        let switch = network.switch.clone();
        ip(&["netns", "add", &switch])?;
        ip(&["-n", &switch, "link", "add", "br0", "type", "bridge"])?;
        ip(&["-n", &switch, "link", "set", "br0", "up"])?;
        for number in 0..count {
            let addr = Ipv4Addr::new(10, 77, 0, number + 1);
            let namespace = format!("{name}-{number}");
            ip(&["netns", "add", &namespace])?;
            network.hosts.push(Host { namespace: namespace.clone(), addr });
            let (port, inside) = (port(number), format!("{addr}/24"));
            let peer = ["peer", "name", "eth0", "netns", &namespace];
            let pair = ["-n", &switch, "link", "add", &port, "type", "veth"];
            ip(&[&pair[..], &peer[..]].concat())?;
            ip(&["-n", &switch, "link", "set", &port, "master", "br0", "up"])?;
            ip(&["-n", &namespace, "addr", "add", &inside, "dev", "eth0"])?;
            ip(&["-n", &namespace, "link", "set", "eth0", "up"])?;
            ip(&["-n", &namespace, "link", "set", "lo", "up"])?;
        }
        // Also sees whether a cut would work here.
        network.cut(&[0])?;
        network.heal()?;
        Ok(network)
    }

    /// The hosts, in order.
    pub fn hosts(&self) -> &[Host] {
        &self.hosts
    }

    /// Drops every packet between `island` and the rest, in both directions, from now on.
    ///
    /// # Errors
    /// When the packet filter refuses the rule.
    pub fn cut(&self, island: &[u8]) -> io::Result<()> {
        let ports = |inside: bool| {
            let numbers = (0..self.hosts.len() as u8).filter(|n| island.contains(n) == inside);
            numbers.map(port).collect::<Vec<_>>().join(", ")
        };
        let (here, there) = (ports(true), ports(false));
        self.filter(&format!(
            "table bridge cut {{ chain forward {{ type filter hook forward priority 0;
             iifname {{ {here} }} oifname {{ {there} }} drop
             iifname {{ {there} }} oifname {{ {here} }} drop
             }}
             }}"
        ))
    }

    /// Ends a cut.
    ///
    /// # Errors
    /// When there is none.
    pub fn heal(&self) -> io::Result<()> {
        self.filter("delete table bridge cut")
    }

    /// Drops so many of 1,000 packets that a host sends, at random, from now on.
    ///
    /// # Errors
    /// When the packet filter refuses the rule.
    pub fn lose(&self, host: u8, per_mille: u16) -> io::Result<()> {
        self.filter(&format!(
            "add table bridge loss
             delete table bridge loss
             table bridge loss {{ chain forward {{ type filter hook forward priority 0;
             iifname {} numgen random mod 1000 < {per_mille} drop
             }}
             }}",
            port(host)
        ))
    }

    /// Lets a host send no more than so many bits in a second, with up to 400 ms of packets queued,
    /// from now on.
    ///
    /// # Errors
    /// When the kernel has no token bucket filter.
    pub fn throttle(&self, host: u8, bits_per_second: u64) -> io::Result<()> {
        let namespace = &self.hosts[usize::from(host)].namespace;
        let rate = format!("{bits_per_second}bit");
        let bucket = ["tbf", "rate", &rate, "burst", "32kb", "latency", "400ms"];
        let device = ["netns", "exec", namespace, "tc", "qdisc", "replace", "dev", "eth0", "root"];
        ip(&[&device[..], &bucket[..]].concat())
    }

    fn filter(&self, rules: &str) -> io::Result<()> {
        let mut nft = Command::new("ip");
        nft.args(["netns", "exec", &self.switch, "nft", "-f", "-"]);
        let mut nft = nft.stdin(Stdio::piped()).stderr(Stdio::piped()).spawn()?;
        nft.stdin.take().expect("it was asked for").write_all(rules.as_bytes())?;
        let output = nft.wait_with_output()?;
        match output.status.success() {
            true => Ok(()),
            false => Err(io::Error::other(String::from_utf8_lossy(&output.stderr).trim())),
        }
    }
}

impl Drop for Network {
    fn drop(&mut self) {
        for host in &self.hosts {
            let _ = ip(&["netns", "del", &host.namespace]);
        }
        let _ = ip(&["netns", "del", &self.switch]);
    }
}

fn port(number: u8) -> String {
    format!("port{number}")
}

fn ip(args: &[&str]) -> io::Result<()> {
    let output = Command::new("ip").args(args).output()?;
    match output.status.success() {
        true => Ok(()),
        false => Err(io::Error::other(format!(
            "ip {}: {}",
            args.join(" "),
            String::from_utf8_lossy(&output.stderr).trim()
        ))),
    }
}
