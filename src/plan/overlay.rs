//! Overlays: their layers and their options.

use std::ffi::OsString;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::Path;

use super::files::attributes;
use super::text::{c_path, c_string, digits};
use super::{Builder, Resource, Step};
use crate::config::Overlay;
use crate::config::mounts::{BindSource, Upper};
use crate::error::{Error, Result};

/// mount(2) takes one page of options, with the NUL, and cuts off the rest.
const MAX_OPTIONS: usize = 4095;

impl Builder<'_> {
    pub(super) fn overlay(&mut self, overlay: &Overlay, target: &Path) -> Result<()> {
        let number = self.plan.steps.len();
        let mut layers = Vec::new();
        for (index, lower) in overlay.lower.iter().enumerate() {
            layers.push(self.overlay_layer(lower, &format!("layer{number}.{index}"))?);
        }
        if matches!(overlay.upper, Upper::None) {
            // The kernel wants two layers where there is no upper one.
            let last: &[u8] = if target == Path::new("/") { b"skeleton" } else { b"empty" };
            layers.push(last.to_vec());
        }
        let mut options = b"lowerdir=".to_vec();
        options.extend(layers.join(&b':'));
        options.extend(self.upper_options(&overlay.upper, number));
        if self.plan.id_maps.is_some() {
            options.extend(b",userxattr");
        }
        if options.len() > MAX_OPTIONS {
            let what = format!("the options for {} are longer than a page", target.display());
            return Err(Error::invalid("overlay", what).with_remedy("use fewer layers or shorter paths"));
        }
        let (memory, size, inodes) = match overlay.upper {
            Upper::Memory { size, inodes } => (memory_name(number), size, inodes),
            _ => (String::new(), 0, 0),
        };
        let writable = !matches!(overlay.upper, Upper::None);
        self.push(Step::Overlay {
            target: c_path("overlay", target)?,
            options: c_string("overlay", OsString::from_vec(options))?,
            memory: c_string("overlay", memory)?,
            size: digits(size),
            inodes: digits(inodes),
            place: c_string("overlay", format!("overlay{number}"))?,
            attributes: attributes(writable, false),
        });
        Ok(())
    }

    fn upper_options(&self, upper: &Upper, number: usize) -> Vec<u8> {
        let (upper, work) = match upper {
            Upper::None => return Vec::new(),
            Upper::Memory { .. } => {
                let memory = memory_name(number);
                (format!("{memory}/upper").into_bytes(), format!("{memory}/work").into_bytes())
            }
            Upper::Directory { upper, work } => {
                (escape(&self.facts.absolute(upper)), escape(&self.facts.absolute(work)))
            }
        };
        [b",upperdir=".as_slice(), &upper, b",workdir=", &work].concat()
    }

    /// The name of a lower directory in the overlay's options.
    fn overlay_layer(&mut self, lower: &Path, name: &str) -> Result<Vec<u8>> {
        let path = self.facts.absolute(lower);
        if !self.passes_trees() {
            return Ok(escape(&path));
        }
        let fd = self.resource(Resource::Tree(BindSource::Path(path.clone())));
        let source = c_path("overlay", &path)?;
        self.push(Step::OverlayLayer { name: c_string("overlay", name)?, source, fd });
        Ok(name.into())
    }
}

/// The name on the stage of the tmpfs that holds an upper directory.
fn memory_name(number: usize) -> String {
    format!("memory{number}")
}

/// In overlay options a colon separates directories and a comma options.
fn escape(path: &Path) -> Vec<u8> {
    let mut escaped = Vec::new();
    for &byte in path.as_os_str().as_bytes() {
        if matches!(byte, b':' | b',' | b'\\') {
            escaped.push(b'\\');
        }
        escaped.push(byte);
    }
    escaped
}
