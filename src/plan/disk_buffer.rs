//! How much of the disk request bodies and responses may take that nginx buffers for slow clients.
//!
//! nginx has no limit for all of its temporary files together, so it is composed:
//!
//! - Bodies get one half. Each reserves room for the largest body of its size class ([`CLASSES`]), and each class has as many
//!   places as fit into its share (limit_conn by class).
//! - Responses get one half. From an eighth on, which the launcher notices within 100 ms, no further large response is
//!   accepted; the ones that are being produced, one in each slot, may fill the other three eighths.

use serde::Serialize;

use super::units;
use crate::config::Config;
use crate::config::problem::Findings;
use crate::host::Host;

/// The largest body of each size class but the last, in bytes: powers of ten, because the classes are told apart by the
/// number of digits of Content-Length.
const CLASSES: [u64; 4] = [100_000, 1_000_000, 10_000_000, 100_000_000];
/// Counted for a body without a limit.
const UNLIMITED_BODY: u64 = 1 << 30;
/// The largest number that limit_conn takes (`ngx_http_limit_conn` in ngx_http_limit_conn_module.c).
const MAX_PLACES: u32 = 65_535;
/// Digits of the lengths in the first class. Shorter bodies fit into nginx's buffer in memory and are not counted.
const FIRST_DIGITS: u32 = 5;
/// The default, however much is free: slow clients have to be very many for more.
const LARGEST_DEFAULT: u64 = 16 << 30;
/// The default when the free space is not known.
const UNKNOWN: u64 = 1 << 30;
/// Bytes of one response on disk, at most: beyond that the application waits for the client.
const LARGEST_RESPONSE: u64 = 64 * 1024 * 1024;
/// nginx refuses a limit for the files of a response that is smaller than its buffers.
const SMALLEST_RESPONSE: u64 = 256 * 1024;

/// The disk space for buffered bodies and responses.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct DiskBuffer {
    /// Bytes in all.
    pub total: u64,
    /// Request bodies, from the smallest size class to the largest.
    pub bodies: Vec<BodyClass>,
    /// Bytes of one response; 0: responses are not kept on disk.
    pub response: u64,
    /// Bytes of all responses together from which on no further large one is accepted.
    pub responses: u64,
}

/// Request bodies of similar size.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct BodyClass {
    /// Digits of Content-Length; the last class also has longer ones, and bodies of unknown length.
    pub digits: u32,
    /// Bytes that each reserves.
    pub bytes: u64,
    /// How many nginx may have at once.
    pub places: u32,
}

/// The disk buffer of the configuration on this host; a warning when the largest body does not fit.
pub(super) fn plan(config: &Config, host: &Host, findings: &mut Findings) -> DiskBuffer {
    let set = config.disk_buffer_size.as_ref();
    let buffer = disk_buffer(
        set.map(|setting| setting.value),
        host.disk_free,
        config.max_body_size,
        config.slots.value,
    );
    let reserved = |class: &BodyClass| class.bytes * u64::from(class.places);
    let room = buffer.bodies.iter().map(reserved).sum::<u64>();
    if room > buffer.total / 2 {
        findings.warning(
            set.map_or("/nginx_config/disk_buffer_size", |setting| &setting.at),
            format!(
                "one request body of each size needs {} of disk, and {} are there for bodies, the half of disk_buffer_size",
                units::about(room),
                units::about(buffer.total / 2)
            ),
            "lower max_body_size, or give the runtime folder more space (--runtime-dir); what the disk has no room for gets 503",
        );
    }
    buffer
}

/// `wanted` in bytes, else half of what is free, within a limit. `largest_body` in bytes, 0: no limit.
fn disk_buffer(
    wanted: Option<u64>,
    free: Option<u64>,
    largest_body: u64,
    slots: u32,
) -> DiskBuffer {
    let total =
        wanted.unwrap_or_else(|| free.map_or(UNKNOWN, |free| (free / 2).min(LARGEST_DEFAULT)));
    let largest = if largest_body == 0 {
        UNLIMITED_BODY
    } else {
        largest_body
    };
    let mut sizes: Vec<u64> = CLASSES.into_iter().filter(|size| *size < largest).collect();
    sizes.push(largest);
    let share = total / 2 / sizes.len() as u64;
    let bodies = (FIRST_DIGITS..)
        .zip(sizes)
        .map(|(digits, bytes)| BodyClass {
            digits,
            bytes,
            places: u32::try_from(share / bytes)
                .unwrap_or(u32::MAX)
                .clamp(1, MAX_PLACES),
        })
        .collect();
    let responses = total / 8;
    let response = (responses * 3 / u64::from(slots.max(1))).min(LARGEST_RESPONSE);
    DiskBuffer {
        total,
        bodies,
        response: if response < SMALLEST_RESPONSE {
            0
        } else {
            response
        },
        responses,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GB: u64 = 1_000_000_000;
    const MIB: u64 = 1024 * 1024;

    fn places(buffer: &DiskBuffer) -> Vec<(u32, u64, u32)> {
        buffer
            .bodies
            .iter()
            .map(|class| (class.digits, class.bytes, class.places))
            .collect()
    }

    #[test]
    fn bodies_and_responses_stay_within_the_total() {
        for total in [40 * MIB, GB, 37 * GB] {
            for largest in [1, 50_000, 1_500_000, 100 * MIB, 0] {
                for slots in [1, 17, 1024] {
                    let buffer = disk_buffer(Some(total), None, largest, slots);
                    let bodies: u64 = buffer
                        .bodies
                        .iter()
                        .filter(|class| class.places > 1)
                        .map(|class| class.bytes * u64::from(class.places))
                        .sum();
                    let responses = buffer.responses + buffer.response * u64::from(slots);
                    assert!(bodies + responses <= total, "{buffer:?}");
                }
            }
        }
    }

    #[test]
    fn each_size_has_places_down_to_one() {
        let usual = disk_buffer(None, Some(20 * GB), 100 * MIB, 17);
        let expected = [
            (5, 100_000, 10_000),
            (6, 1_000_000, 1000),
            (7, 10_000_000, 100),
            (8, 100_000_000, 10),
            (9, 104_857_600, 9),
        ];
        assert_eq!(places(&usual), expected);
        assert_eq!(usual.response, 64 * MIB);
        let small = disk_buffer(Some(16 * MIB), None, 1_500_000, 17);
        let expected = [(5, 100_000, 27), (6, 1_000_000, 2), (7, 1_500_000, 1)];
        assert_eq!(places(&small), expected);
        assert_eq!(small.response, 370_085);
        assert_eq!(disk_buffer(Some(8 * MIB), None, 1, 17).response, 0);
    }
}
