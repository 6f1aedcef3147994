//! The files that `build.rs` found, or one page that explains how to build them.

use axum::http::HeaderValue;

use super::encoding::{Accepted, Encoding};

/// One file of the UI, in all its forms.
pub(super) struct File {
    /// Its path on the server, with the leading slash.
    pub(super) path: &'static str,
    /// Changes with the content.
    pub(super) tag: &'static str,
    pub(super) identity: &'static [u8],
    pub(super) brotli: Option<&'static [u8]>,
    pub(super) gzip: Option<&'static [u8]>,
}

/// The form of a file that is sent.
pub(super) struct Form {
    pub(super) encoding: Encoding,
    pub(super) content: &'static [u8],
}

static FILES: &[File] = include!(concat!(env!("OUT_DIR"), "/files.rs"));

/// Served if the UI was not built.
static UNBUILT: File = File {
    path: "/index.html",
    tag: "unbuilt",
    identity: include_bytes!("unbuilt.html"),
    brotli: None,
    gzip: None,
};

/// All files; empty if the UI was not built.
pub(super) fn all() -> &'static [File] {
    FILES
}

/// The page.
pub(super) fn index() -> &'static File {
    FILES.iter().find(|file| file.path == "/index.html").unwrap_or(&UNBUILT)
}

impl File {
    /// The smallest form that the client accepts.
    pub(super) fn form(&self, accepted: Accepted) -> Form {
        let forms = [(Encoding::Brotli, self.brotli), (Encoding::Gzip, self.gzip)];
        let form = forms.into_iter().find_map(|(encoding, content)| {
            Some(Form { encoding, content: content.filter(|_| accepted.includes(encoding))? })
        });
        // Also for a client that refuses the uncompressed form: it can read it anyway.
        form.unwrap_or(Form { encoding: Encoding::Identity, content: self.identity })
    }

    /// Whether the name contains the content's hash, as the bundler does for everything in `/assets/`.
    pub(super) fn is_hashed(&self) -> bool {
        self.path.starts_with("/assets/")
    }

    pub(super) fn content_type(&self) -> HeaderValue {
        let end = self.path.rsplit_once('.').map_or("", |(_, end)| end);
        HeaderValue::from_static(match end {
            "css" => "text/css; charset=utf-8",
            "html" => "text/html; charset=utf-8",
            "js" => "text/javascript; charset=utf-8",
            "json" => "application/json",
            "png" => "image/png",
            "svg" => "image/svg+xml",
            "txt" => "text/plain; charset=utf-8",
            _ => "application/octet-stream",
        })
    }
}
