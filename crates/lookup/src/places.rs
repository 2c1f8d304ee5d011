//! Where in the world an address is, by MMDB files the operator supplies (MaxMind's GeoLite2 and GeoIP2, DB-IP in the same form).
//!
//! Files are read into memory whole, and are hints: an address stands for whoever uses it now, and mobile networks come out far from their
//! users. So a place adds weight to what else is known, and never decides anything alone.

use std::net::IpAddr;
use std::path::{Path, PathBuf};

use mail::Known;
use mail::operation::{Place, Spot};
use maxminddb::{Reader, geoip2};

/// Largest file read, bytes; MaxMind's largest has 130 MB.
const FILE_BYTES_MAX: u64 = 1 << 30;
/// How far off a spot is taken to be when the file does not say, kilometres.
const RADIUS_KM: f64 = 50.0;

/// What the files say; of each kind the last one named.
#[derive(Default)]
pub struct Places {
    /// Countries and, if it knows, spots.
    countries: Option<Reader<Vec<u8>>>,
    /// Providers.
    providers: Option<Reader<Vec<u8>>>,
    /// Tor, VPNs, proxies, machines for rent.
    hiding: Option<Reader<Vec<u8>>>,
}

/// Why a file cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum NotUsed {
    /// It cannot be read.
    #[error("{} cannot be read: {why}", .file.display())]
    Unreadable {
        /// Which.
        file: PathBuf,
        /// Why.
        why: std::io::Error,
    },
    /// It is no MMDB file, or a broken one.
    #[error("{} is no MMDB file: {why}", .file.display())]
    Broken {
        /// Which.
        file: PathBuf,
        /// Why.
        why: String,
    },
    /// It tells of something else.
    #[error("{} is of the kind {kind:?}; right is one of City, Country, ASN or Anonymous-IP, in MaxMind's form", .file.display())]
    OtherKind {
        /// Which.
        file: PathBuf,
        /// What it calls itself.
        kind: String,
    },
}

impl Places {
    /// Reads the files.
    pub fn open(files: &[PathBuf]) -> Result<Self, NotUsed> {
        let mut places = Self::default();
        for file in files {
            let reader = read(file)?;
            let kind = reader.metadata().database_type.clone();
            let named = kind.to_ascii_lowercase();
            if named.contains("asn") {
                places.providers = Some(reader);
            } else if named.contains("anonymous") {
                places.hiding = Some(reader);
            } else if named.contains("city") || named.contains("country") {
                places.countries = Some(reader);
            } else {
                return Err(NotUsed::OtherKind {
                    file: file.clone(),
                    kind,
                });
            }
        }
        Ok(places)
    }

    /// Is there any file?
    pub const fn is_empty(&self) -> bool {
        self.countries.is_none() && self.providers.is_none() && self.hiding.is_none()
    }

    /// Where an address is. Addresses that nobody announces (RFC 1918 and their like) are nowhere: `Absent`.
    pub fn of(&self, ip: IpAddr) -> Known<Place> {
        if self.is_empty() {
            return Known::NotAsked;
        }
        let ip = ip.to_canonical();
        let (country, spot) = self.country(ip);
        let asn = self.provider(ip);
        let hides = self.hides(ip);
        match (country, asn, hides) {
            (None, None, None | Some(false)) => Known::Absent,
            (country, asn, hides) => Known::Yes(Place {
                country,
                asn,
                spot,
                hides,
            }),
        }
    }

    /// Whoever is not in the file hides nobody.
    fn hides(&self, ip: IpAddr) -> Option<bool> {
        let reader = self.hiding.as_ref()?;
        let found: Option<geoip2::AnonymousIp> = found(Some(reader), ip);
        let any = found.is_some_and(|found| {
            let kinds = [
                found.is_anonymous,
                found.is_anonymous_vpn,
                found.is_hosting_provider,
                found.is_public_proxy,
                found.is_tor_exit_node,
            ];
            kinds.contains(&Some(true))
        });
        Some(any)
    }

    fn country(&self, ip: IpAddr) -> (Option<String>, Option<Spot>) {
        let city: Option<geoip2::City<'_>> = found(self.countries.as_ref(), ip);
        let Some(city) = city else {
            return (None, None);
        };
        let code = city.country.iso_code.or(city.registered_country.iso_code);
        let is_code = |code: &&str| code.len() == 2 && code.bytes().all(|b| b.is_ascii_uppercase());
        let country = code.filter(is_code).map(str::to_owned);
        let place = city.location;
        let spot = match (place.latitude, place.longitude) {
            (Some(latitude), Some(longitude)) => Some(Spot {
                latitude,
                longitude,
                radius_km: place.accuracy_radius.map_or(RADIUS_KM, f64::from),
            }),
            _ => None,
        };
        (country, spot)
    }

    fn provider(&self, ip: IpAddr) -> Option<u32> {
        let asn: Option<geoip2::Asn<'_>> = found(self.providers.as_ref(), ip);
        asn?.autonomous_system_number
    }
}

/// What a file says of an address; nothing where it is broken, for a hint that cannot be read is none.
fn found<'r, T: serde::Deserialize<'r>>(
    reader: Option<&'r Reader<Vec<u8>>>,
    ip: IpAddr,
) -> Option<T> {
    reader?.lookup(ip).ok()?.decode().ok()?
}

fn read(file: &Path) -> Result<Reader<Vec<u8>>, NotUsed> {
    let unreadable = |why| NotUsed::Unreadable {
        file: file.to_owned(),
        why,
    };
    let broken = |why: String| NotUsed::Broken {
        file: file.to_owned(),
        why,
    };
    let length = std::fs::metadata(file).map_err(unreadable)?.len();
    if length > FILE_BYTES_MAX {
        return Err(broken(format!(
            "it has {length} bytes, more than {FILE_BYTES_MAX}"
        )));
    }
    let bytes = std::fs::read(file).map_err(unreadable)?;
    Reader::from_source(bytes).map_err(|error| broken(error.to_string()))
}

#[cfg(test)]
mod tests {
    use testkit::mmdb::{Value, database};

    use super::*;

    fn map(fields: &[(&str, Value)]) -> Value {
        let field = |(name, value): &(&str, Value)| ((*name).to_owned(), value.clone());
        Value::Map(fields.iter().map(field).collect())
    }

    fn city(country: &str, latitude: f64, longitude: f64) -> Value {
        map(&[
            ("country", map(&[("iso_code", Value::Text(country.into()))])),
            (
                "location",
                map(&[
                    ("latitude", Value::Double(latitude)),
                    ("longitude", Value::Double(longitude)),
                    ("accuracy_radius", Value::Short(20)),
                ]),
            ),
        ])
    }

    fn file(folder: &Path, name: &str, bytes: &[u8]) -> PathBuf {
        let path = folder.join(name);
        std::fs::write(&path, bytes).expect("written");
        path
    }

    fn of(places: &Places, ip: &str) -> Known<Place> {
        places.of(ip.parse().expect("an address"))
    }

    #[test]
    fn country_spot_and_provider_come_from_files_of_their_kind() {
        let folder = tempfile::tempdir().expect("a folder");
        let cities = database(
            "GeoLite2-City",
            &[
                ("198.51.100.0/24", city("DE", 52.5, 13.4)),
                ("2001:db8:1::/48", city("CN", 39.9, 116.4)),
            ],
        );
        let provider = map(&[("autonomous_system_number", Value::Number(64_500))]);
        let providers = database("GeoLite2-ASN", &[("198.51.100.0/25", provider)]);
        let files = [
            file(folder.path(), "city.mmdb", &cities),
            file(folder.path(), "asn.mmdb", &providers),
        ];
        let places = Places::open(&files).expect("two files");
        let berlin = Known::Yes(Place {
            country: Some("DE".to_owned()),
            asn: Some(64_500),
            spot: Some(Spot {
                latitude: 52.5,
                longitude: 13.4,
                radius_km: 20.0,
            }),
            hides: None,
        });
        assert_eq!(of(&places, "198.51.100.7"), berlin);
        assert_eq!(of(&places, "::ffff:198.51.100.7"), berlin);
        let asn = |known: Known<Place>| known.yes().and_then(|place| place.asn);
        assert_eq!(asn(of(&places, "198.51.100.200")), None);
        let far = of(&places, "2001:db8:1::5");
        let country = far.yes().and_then(|place| place.country.as_deref());
        assert_eq!(country, Some("CN"));
        assert_eq!(of(&places, "10.0.0.1"), Known::Absent);
        assert_eq!(of(&Places::default(), "198.51.100.7"), Known::NotAsked);
    }

    #[test]
    fn what_hides_people_is_told_where_a_file_knows() {
        let folder = tempfile::tempdir().expect("a folder");
        let tor = map(&[
            ("is_anonymous", Value::Flag(true)),
            ("is_tor_exit_node", Value::Flag(true)),
        ]);
        let bytes = database("GeoIP2-Anonymous-IP", &[("198.51.100.0/24", tor)]);
        let hiding = file(folder.path(), "anonymous.mmdb", &bytes);
        let places = Places::open(&[hiding]).expect("a file");
        let hides = |ip: &str| of(&places, ip).yes().and_then(|place| place.hides);
        assert_eq!(hides("198.51.100.7"), Some(true));
        assert_eq!(of(&places, "192.0.2.7"), Known::Absent);
    }

    #[test]
    fn what_cannot_be_used_is_named() {
        let folder = tempfile::tempdir().expect("a folder");
        let told = |path: PathBuf| match Places::open(&[path]) {
            Ok(_) => panic!("taken"),
            Err(error) => error.to_string(),
        };
        assert!(told(folder.path().join("none.mmdb")).contains("cannot be read"));
        let text = file(folder.path(), "text.mmdb", b"no database");
        assert!(told(text).contains("is no MMDB file"));
        let other = database("GeoIP2-Domain", &[("198.51.100.0/24", map(&[]))]);
        let other = file(folder.path(), "domain.mmdb", &other);
        assert!(told(other).contains("City, Country, ASN or Anonymous-IP"));
        // Cut anywhere, it is refused or says nothing, and never panics.
        let whole = database(
            "GeoLite2-City",
            &[("198.51.100.0/24", city("DE", 1.0, 2.0))],
        );
        for end in (0..whole.len()).step_by(7) {
            let mut bytes = whole.clone();
            bytes.drain(..end);
            let cut = file(folder.path(), "cut.mmdb", &bytes);
            if let Ok(places) = Places::open(&[cut]) {
                of(&places, "198.51.100.7");
            }
        }
    }
}
