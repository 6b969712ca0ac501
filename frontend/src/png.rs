//! PNG files of few colours (ISO/IEC 15948): the heatmap's cells as one picture.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use flate2::write::ZlibEncoder;
use flate2::{Compression, Crc};
use std::io::Write;

/// A picture of `pixels`, rows from the top, each a place in the palette. Awaits `pause`
/// between rows.
///
/// # Panics
/// When the pixels are no whole rows.
pub async fn indexed(
    width: usize,
    pixels: &[u8],
    palette: &[[u8; 3]],
    pause: &impl AsyncFn(),
) -> Vec<u8> {
    assert!(width > 0 && pixels.len().is_multiple_of(width), "whole rows of pixels");
    let size = |n: usize| (n as u32).to_be_bytes();
    let mut head = [size(width), size(pixels.len() / width)].concat();
    // Eight bits a pixel, from the palette, packed and filtered in the only ways that
    // there are, not interlaced.
    head.extend([8, 3, 0, 0, 0]);
    // A page waits for it, and nobody downloads it.
    let mut packer = ZlibEncoder::new(Vec::new(), Compression::fast());
    for row in pixels.chunks_exact(width) {
        // Writing to memory cannot fail. Each row is as it is: filter 0.
        let _ = packer.write_all(&[0]).and_then(|()| packer.write_all(row));
        pause().await;
    }
    let packed = packer.finish().unwrap_or_default();
    let mut file = b"\x89PNG\r\n\x1a\n".to_vec();
    for (kind, data) in
        [(b"IHDR", head), (b"PLTE", palette.concat()), (b"IDAT", packed), (b"IEND", Vec::new())]
    {
        file.extend(size(data.len()));
        let mut sum = Crc::new();
        for part in [&kind[..], &data] {
            sum.update(part);
            file.extend(part);
        }
        file.extend(sum.sum().to_be_bytes());
    }
    file
}

/// The picture as an address.
pub fn address(png: &[u8]) -> String {
    format!("data:image/png;base64,{}", STANDARD.encode(png))
}

#[cfg(test)]
mod tests {
    use super::*;
    use tupate_metrics::{at_once, no_pause};

    #[test]
    fn the_parts_are_as_the_standard_has_them() {
        let palette = [[1, 2, 3], [255, 0, 0]];
        let png = at_once(indexed(2, &[0, 1, 1, 0], &palette, &no_pause));
        assert!(png.starts_with(b"\x89PNG\r\n\x1a\n\x00\x00\x00\x0dIHDR\x00\x00\x00\x02\x00\x00\x00\x02\x08\x03\x00\x00\x00"));
        // The empty end has a well-known sum.
        assert!(png.ends_with(b"\x00\x00\x00\x00IEND\xae\x42\x60\x82"));
        let data = png.windows(4).position(|w| w == b"IDAT").unwrap() + 4;
        let mut rows = Vec::new();
        let mut reader = flate2::read::ZlibDecoder::new(&png[data..]);
        std::io::Read::read_to_end(&mut reader, &mut rows).unwrap();
        assert_eq!(rows, [0, 0, 1, 0, 1, 0]);
        assert!(png.windows(10).any(|w| w == b"PLTE\x01\x02\x03\xff\x00\x00"));
        assert!(address(&png).starts_with("data:image/png;base64,iVBORw0KGgo"));
    }
}
