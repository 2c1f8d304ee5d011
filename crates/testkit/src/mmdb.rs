//! Databases of places for tests, in MaxMind's format 2.0 (MaxMind DB File Format Specification): a tree of bits of the address, and what
//! stands at its leaves.

use std::net::IpAddr;

/// A value at a leaf.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// Text.
    Text(String),
    /// A number with a fraction.
    Double(f64),
    /// A number of 16 bits.
    Short(u16),
    /// A number of 32 bits.
    Number(u32),
    /// A number of 64 bits.
    Long(u64),
    /// Yes or no.
    Flag(bool),
    /// Names with values.
    Map(Vec<(String, Value)>),
    /// A list.
    List(Vec<Value>),
}

/// The file's bytes: of this kind, with a value for each network.
///
/// # Panics
/// When a network cannot be read.
pub fn database(kind: &str, networks: &[(&str, Value)]) -> Vec<u8> {
    let mut tree = Tree::default();
    let mut data = Vec::new();
    for (network, value) in networks {
        let (bits, length) = bits_of(network);
        let offset = data.len();
        value.write(&mut data);
        tree.put(bits, length, offset);
    }
    let nodes = tree.nodes.len() as u32;
    let mut file = tree.bytes();
    file.extend([0; 16]);
    file.extend(data);
    file.extend(b"\xab\xcd\xefMaxMind.com");
    let text = |text: &str| Value::Text(text.to_owned());
    let about = [
        ("node_count", Value::Number(nodes)),
        ("record_size", Value::Short(32)),
        ("ip_version", Value::Short(6)),
        ("database_type", text(kind)),
        ("languages", Value::List(vec![text("en")])),
        ("binary_format_major_version", Value::Short(2)),
        ("binary_format_minor_version", Value::Short(0)),
        ("build_epoch", Value::Long(1_700_000_000)),
        (
            "description",
            Value::Map(vec![("en".to_owned(), text("for tests"))]),
        ),
    ];
    let about = about.map(|(name, value)| (name.to_owned(), value));
    Value::Map(about.to_vec()).write(&mut file);
    file
}

/// The bits of a network in the tree of IPv6, where IPv4 lies below `::/96`.
fn bits_of(network: &str) -> (u128, u32) {
    let (ip, length) = network.split_once('/').expect("a network");
    let length: u32 = length.parse().expect("a length");
    match ip.parse().expect("an address") {
        IpAddr::V4(ip) => (u128::from(u32::from(ip)), 96 + length),
        IpAddr::V6(ip) => (u128::from(ip), length),
    }
}

/// Nodes with what stands on either side.
struct Tree {
    nodes: Vec<[Side; 2]>,
}

#[derive(Clone, Copy)]
enum Side {
    Nothing,
    Node(usize),
    Data(usize),
}

impl Default for Tree {
    fn default() -> Self {
        Self {
            nodes: vec![[Side::Nothing; 2]],
        }
    }
}

impl Tree {
    fn put(&mut self, bits: u128, length: u32, offset: usize) {
        let mut node = 0;
        for depth in 0..length {
            let bit = usize::from(bits >> (127 - depth) & 1 == 1);
            if depth + 1 == length {
                self.nodes[node][bit] = Side::Data(offset);
                return;
            }
            node = match self.nodes[node][bit] {
                Side::Node(next) => next,
                Side::Nothing | Side::Data(_) => {
                    // A network within another: the outer one stands for the rest.
                    let around = self.nodes[node][bit];
                    self.nodes.push([around; 2]);
                    let next = self.nodes.len() - 1;
                    self.nodes[node][bit] = Side::Node(next);
                    next
                }
            };
        }
    }

    fn bytes(&self) -> Vec<u8> {
        let count = self.nodes.len();
        let mut bytes = Vec::with_capacity(count * 8);
        for side in self.nodes.iter().flatten() {
            let record = match side {
                Side::Nothing => count,
                Side::Node(next) => *next,
                Side::Data(offset) => count + 16 + offset,
            };
            bytes.extend((record as u32).to_be_bytes());
        }
        bytes
    }
}

impl Value {
    fn write(&self, out: &mut Vec<u8>) {
        match self {
            Self::Text(text) => {
                control(out, 2, text.len());
                out.extend(text.as_bytes());
            }
            Self::Double(number) => {
                control(out, 3, 8);
                out.extend(number.to_be_bytes());
            }
            Self::Short(number) => {
                control(out, 5, 2);
                out.extend(number.to_be_bytes());
            }
            Self::Number(number) => {
                control(out, 6, 4);
                out.extend(number.to_be_bytes());
            }
            Self::Long(number) => {
                control(out, 9, 8);
                out.extend(number.to_be_bytes());
            }
            Self::Flag(yes) => control(out, 14, usize::from(*yes)),
            Self::Map(fields) => {
                control(out, 7, fields.len());
                for (name, value) in fields {
                    Self::Text(name.clone()).write(out);
                    value.write(out);
                }
            }
            Self::List(values) => {
                control(out, 11, values.len());
                values.iter().for_each(|value| value.write(out));
            }
        }
    }
}

/// Type and size in front of a value; sizes here are below 285.
fn control(out: &mut Vec<u8>, kind: u8, size: usize) {
    let low = size.min(29) as u8;
    if kind <= 7 {
        out.push(kind << 5 | low);
    } else {
        out.extend([low, kind - 7]);
    }
    if size >= 29 {
        out.push((size - 29) as u8);
    }
}
