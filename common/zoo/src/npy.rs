//! NumPy's `.npy` files: the vectors of other programs.
//!
//! Read are format versions 1 to 3, little-endian `f4` and `f8`, C order, one or
//! two dimensions. Anything else is refused with what was found.

/// Longest header that is read, in bytes; those that NumPy writes for one or
/// two dimensions have 118.
pub const MAX_HEADER: usize = 4096;

/// Why bytes are not an array that can be used.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum Error {
    /// It does not begin as such a file does.
    #[error("not an .npy file: it does not begin with NumPy's signature")]
    NotNpy,
    /// A format version that is not known.
    #[error(".npy version {0}.{1} is not known; save it with numpy.save of NumPy 1 or 2")]
    Version(u8, u8),
    /// The header does not say what it must.
    #[error("its .npy header {0}")]
    Header(String),
    /// Other numbers than floats of 4 or 8 bytes, lowest byte first.
    #[error("it holds {0}; little-endian <f4 and <f8 are read: save it with .astype('<f4')")]
    Type(String),
    /// Columns before rows.
    #[error("it is stored in Fortran order; save it with numpy.ascontiguousarray")]
    Fortran,
    /// Too many or too few dimensions, or none of size.
    #[error("its shape is {0:?}; one or two dimensions are read, none of them empty")]
    Shape(Vec<usize>),
    /// More or fewer bytes than the shape wants.
    #[error("its shape {shape:?} wants {expected} bytes of values, there are {found}")]
    Length {
        /// The shape in the header.
        shape: Vec<usize>,
        /// The bytes that this shape wants.
        expected: u128,
        /// The bytes that are there.
        found: usize,
    },
    /// A value that is infinite or not a number.
    #[error("value {at} is {value}, which is not finite")]
    NotFinite {
        /// Its index among all values.
        at: usize,
        /// The value.
        value: f64,
    },
}

/// An array of one or two dimensions.
#[derive(Clone, Debug, PartialEq)]
pub struct Array {
    /// `[n]` or `[rows, n]`; no dimension is 0.
    pub shape: Vec<usize>,
    /// The values, row-major, all finite.
    pub values: Vec<f64>,
}

impl Array {
    /// Reads a file's bytes.
    ///
    /// # Errors
    /// When the bytes are something else or contradict themselves. Allocates at
    /// most twice `bytes.len()`, whatever the header claims.
    pub fn parse(bytes: &[u8]) -> Result<Self, Error> {
        let rest = bytes.strip_prefix(b"\x93NUMPY").ok_or(Error::NotNpy)?;
        let (&[major, minor], rest) = rest.split_first_chunk().ok_or(Error::NotNpy)?;
        let cut = || Error::Header("is cut off".into());
        let (length, rest) = match (major, minor) {
            (1, 0) => {
                let (length, rest) = rest.split_first_chunk().ok_or_else(cut)?;
                (usize::from(u16::from_le_bytes(*length)), rest)
            }
            (2 | 3, 0) => {
                let (length, rest) = rest.split_first_chunk().ok_or_else(cut)?;
                (u32::from_le_bytes(*length) as usize, rest)
            }
            _ => return Err(Error::Version(major, minor)),
        };
        if length > MAX_HEADER {
            return Err(Error::Header(format!("has {length} bytes, more than {MAX_HEADER}")));
        }
        let (header, data) = rest.split_at_checked(length).ok_or_else(cut)?;
        let header = std::str::from_utf8(header)
            .map_err(|_| Error::Header("is not text".into()))
            .and_then(Header::parse)?;
        header.values(data)
    }
}

/// The header: a Python dictionary of three known keys.
#[derive(Debug, PartialEq)]
struct Header {
    descr: String,
    fortran_order: bool,
    shape: Vec<usize>,
}

impl Header {
    fn parse(text: &str) -> Result<Self, Error> {
        let mut words = Words { rest: text };
        let (mut descr, mut fortran_order, mut shape) = (None, None, None);
        words.expect("{")?;
        while !words.take("}") {
            let key = words.string()?;
            words.expect(":")?;
            let twice = match key {
                "descr" => descr.replace(words.string()?.to_owned()).is_some(),
                "fortran_order" => fortran_order.replace(words.boolean()?).is_some(),
                "shape" => shape.replace(words.tuple()?).is_some(),
                _ => return Err(Error::Header(format!("has an unknown key {key:?}"))),
            };
            if twice {
                return Err(Error::Header(format!("says {key} twice")));
            }
            if !words.take(",") {
                words.expect("}")?;
                break;
            }
        }
        if !words.rest.trim().is_empty() {
            return Err(Error::Header("goes on after its end".into()));
        }
        let missing = |key: &str| Error::Header(format!("does not say {key}"));
        Ok(Self {
            descr: descr.ok_or_else(|| missing("descr"))?,
            fortran_order: fortran_order.ok_or_else(|| missing("fortran_order"))?,
            shape: shape.ok_or_else(|| missing("shape"))?,
        })
    }

    fn values(self, data: &[u8]) -> Result<Array, Error> {
        let size = match self.descr.as_str() {
            "<f4" => 4,
            "<f8" => 8,
            _ => return Err(Error::Type(self.descr)),
        };
        if !matches!(self.shape.len(), 1 | 2) || self.shape.contains(&0) {
            return Err(Error::Shape(self.shape));
        }
        // One row is the same in either order.
        if self.fortran_order && self.shape.len() > 1 {
            return Err(Error::Fortran);
        }
        let expected = self.shape.iter().try_fold(size, |n: u128, &d| n.checked_mul(d as u128));
        let expected = expected.unwrap_or(u128::MAX);
        if expected != data.len() as u128 {
            return Err(Error::Length { shape: self.shape, expected, found: data.len() });
        }
        let values: Vec<f64> = match size {
            4 => {
                data.as_chunks().0.iter().map(|b: &[u8; 4]| f32::from_le_bytes(*b).into()).collect()
            }
            _ => data.as_chunks().0.iter().map(|b| f64::from_le_bytes(*b)).collect(),
        };
        match values.iter().position(|value| !value.is_finite()) {
            Some(at) => Err(Error::NotFinite { at, value: values[at] }),
            None => Ok(Array { shape: self.shape, values }),
        }
    }
}

/// What is left of a header to read. Every step consumes text or fails.
struct Words<'a> {
    rest: &'a str,
}

impl<'a> Words<'a> {
    fn take(&mut self, token: &str) -> bool {
        let rest = self.rest.trim_start();
        match rest.strip_prefix(token) {
            Some(rest) => {
                self.rest = rest;
                true
            }
            None => false,
        }
    }

    fn expect(&mut self, token: &str) -> Result<(), Error> {
        if self.take(token) {
            return Ok(());
        }
        let found: String = self.rest.trim_start().chars().take(12).collect();
        Err(Error::Header(format!("has {found:?} where {token:?} should be")))
    }

    fn string(&mut self) -> Result<&'a str, Error> {
        for quote in ["'", "\""] {
            if self.take(quote) {
                let (text, rest) = self
                    .rest
                    .split_once(quote)
                    .ok_or_else(|| Error::Header("has a text without end".into()))?;
                self.rest = rest;
                return Ok(text);
            }
        }
        self.expect("'").map(|()| "")
    }

    fn boolean(&mut self) -> Result<bool, Error> {
        match self.take("True") {
            true => Ok(true),
            false => self.expect("False").map(|()| false),
        }
    }

    fn tuple(&mut self) -> Result<Vec<usize>, Error> {
        let mut numbers = Vec::new();
        self.expect("(")?;
        while !self.take(")") {
            let rest = self.rest.trim_start();
            let end = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
            let number = rest[..end].parse().map_err(|_| {
                Error::Header("has a shape that is no tuple of whole numbers".into())
            })?;
            self.rest = &rest[end..];
            numbers.push(number);
            if !self.take(",") {
                self.expect(")")?;
                break;
            }
        }
        Ok(numbers)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// A version 1 file as NumPy writes it.
    fn npy(header: &str, data: &[u8]) -> Vec<u8> {
        let mut padded = header.to_owned();
        while !(10 + padded.len() + 1).is_multiple_of(64) {
            padded.push(' ');
        }
        padded.push('\n');
        let mut bytes = b"\x93NUMPY\x01\x00".to_vec();
        bytes.extend((padded.len() as u16).to_le_bytes());
        bytes.extend(padded.bytes());
        bytes.extend(data);
        bytes
    }

    fn f4(values: &[f32]) -> Vec<u8> {
        values.iter().flat_map(|v| v.to_le_bytes()).collect()
    }

    const TWO: &str = "{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), }";

    #[test]
    fn floats_of_both_sizes_in_one_and_two_dimensions() {
        let values = [1.0, 2.0, 3.0, 4.0, 5.0, -6.5];
        let two = Array::parse(&npy(TWO, &f4(&values))).unwrap();
        assert_eq!(two.shape, [2, 3]);
        assert_eq!(two.values, values.map(f64::from));
        let bytes: Vec<u8> = [0.1_f64, -2.0].iter().flat_map(|v| v.to_le_bytes()).collect();
        let one = "{\"shape\":(2,),\"fortran_order\":True,\"descr\":\"<f8\"}";
        assert_eq!(
            Array::parse(&npy(one, &bytes)).unwrap(),
            Array { shape: vec![2], values: vec![0.1, -2.0] }
        );
        // Version 2 has a longer length.
        let old = npy(TWO, &f4(&values));
        let mut new = b"\x93NUMPY\x02\x00".to_vec();
        new.extend([old[8], old[9], 0, 0]);
        new.extend(&old[10..]);
        assert_eq!(Array::parse(&new).unwrap(), two);
    }

    #[test]
    fn what_is_not_read_says_why() {
        let six = f4(&[1.0; 6]);
        let refuse = |header: &str| Array::parse(&npy(header, &six)).unwrap_err().to_string();
        for (from, to, part) in [
            ("<f4", ">f4", "it holds >f4; little-endian"),
            ("<f4", "<i8", "it holds <i8"),
            ("<f4", "|O", "it holds |O"),
            ("False", "True", "Fortran order"),
            ("False", "Maybe", "has \"Maybe"),
            ("(2, 3)", "(1, 2, 3)", "one or two dimensions"),
            ("(2, 3)", "()", "one or two dimensions"),
            ("(2, 3)", "(0, 3)", "none of them empty"),
            ("(2, 3)", "(2, 4)", "wants 32 bytes of values, there are 24"),
            ("(2, 3)", "(-2, 3)", "no tuple of whole numbers"),
            ("(2, 3)", "(99999999999999999999999, 3)", "no tuple of whole numbers"),
            ("(2, 3)", "(18446744073709551615, 18446744073709551615)", "wants"),
            ("shape", "form", "unknown key \"form\""),
            ("'descr': '<f4', ", "", "does not say descr"),
            ("'descr'", "'shape': (1,), 'descr'", "says shape twice"),
            (", }", ", } {", "goes on"),
            ("'<f4'", "'<f4", "header"),
        ] {
            let error = refuse(&TWO.replacen(from, to, 1));
            assert!(error.contains(part), "{from} → {to}: {error}");
        }
        let nan = Array::parse(&npy(TWO, &f4(&[0.0, 1.0, f32::NAN, 0.0, 0.0, 0.0]))).unwrap_err();
        assert_eq!(nan.to_string(), "value 2 is NaN, which is not finite");
        assert_eq!(Array::parse(b"PK\x03\x04"), Err(Error::NotNpy));
        assert_eq!(Array::parse(b"\x93NUMPY\x09\x01...."), Err(Error::Version(9, 1)));
        let claims = b"\x93NUMPY\x02\x00\xff\xff\xff\xff{";
        assert!(matches!(Array::parse(claims), Err(Error::Header(_))));
    }

    proptest! {
        #[test]
        fn any_bytes_are_refused_without_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            prop_assert!(Array::parse(&bytes).is_err());
        }

        #[test]
        fn any_header_is_read_without_panic(header in "[{}(),:' 0-9a-z<\"]{0,60}") {
            let _ = Array::parse(&npy(&header, &f4(&[1.0; 6])));
        }

        #[test]
        fn any_cut_is_refused(end in 0_usize..1000) {
            let bytes = npy(TWO, &f4(&[1.0; 6]));
            prop_assert!(Array::parse(&bytes[..end % bytes.len()]).is_err());
        }
    }
}
