//! Names that follow from the event into their parts, and what values may be made of in them.

use super::Pointer;

/// Bytes of an event's value in the name of an index, a file and the like, at most.
pub const NAME_VALUE_BYTES_MAX: usize = 64;
/// Of one in a host's name, which has no more by DNS (RFC 1035, section 2.3.4).
pub const HOST_VALUE_BYTES_MAX: usize = 255;
/// Of one in an HTTP header.
pub const HEADER_VALUE_BYTES_MAX: usize = 256;

/// A part of a name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NamePart {
    /// As it stands.
    Text(String),
    /// The year, four digits.
    Year,
    /// The month, two digits.
    Month,
    /// The day of the month, two digits.
    Day,
    /// The name of the event's source.
    Source,
    /// A scalar of the event, as the rules left it, in the name's [`Letters`].
    Value {
        /// Where it is.
        at: Pointer,
        /// Stands in for what is missing, blank or no scalar.
        otherwise: String,
    },
}

/// What values are made of in a name; anything else becomes `_`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Letters {
    /// Small letters and digits, to which capital ones become: no separator of any name, and no
    /// path that leads elsewhere. For indices, data streams, HEC's names, and paths.
    Plain,
    /// Letters, digits and `.-:`. For hosts, which may be addresses.
    Host,
    /// Letters, digits and `.-:/@+~`: one word, which can neither end a header nor begin another
    /// member or parameter of one. For HTTP headers.
    Header,
}

impl Letters {
    /// Bytes of a value at most, which are ASCII.
    pub fn bytes_max(self) -> usize {
        match self {
            Self::Plain => NAME_VALUE_BYTES_MAX,
            Self::Host => HOST_VALUE_BYTES_MAX,
            Self::Header => HEADER_VALUE_BYTES_MAX,
        }
    }

    /// A character of a value as it stands in the name.
    pub fn clean(self, c: char) -> char {
        let others = match self {
            Self::Plain => "",
            Self::Host => ".-:",
            Self::Header => ".-:/@+~",
        };
        let c = match self {
            Self::Plain => c.to_ascii_lowercase(),
            Self::Host | Self::Header => c,
        };
        if c.is_ascii_alphanumeric() || others.contains(c) {
            c
        } else {
            '_'
        }
    }
}
