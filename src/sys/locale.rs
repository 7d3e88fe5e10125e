//! Which locales are installed (newlocale(3)), without changing the launcher's own.
#![expect(unsafe_code, reason = "newlocale and nl_langinfo_l have no safe form")]

use std::ffi::{CStr, CString};
use std::ptr;

/// The encoding of characters in a locale; none when the locale is not installed.
pub(crate) fn encoding(name: &str) -> Option<String> {
    let name = CString::new(name).ok()?;
    // SAFETY: the name ends with a NUL, and a null pointer asks for a new locale.
    let locale = unsafe { libc::newlocale(libc::LC_CTYPE_MASK, name.as_ptr(), ptr::null_mut()) };
    if locale.is_null() {
        return None;
    }
    // SAFETY: the locale is open.
    let text = unsafe { libc::nl_langinfo_l(libc::CODESET, locale) };
    let encoding = if text.is_null() {
        String::new()
    } else {
        // SAFETY: the text ends with a NUL and lives as long as the locale.
        let text = unsafe { CStr::from_ptr(text) };
        text.to_string_lossy().into_owned()
    };
    // SAFETY: nothing uses the locale any more.
    unsafe { libc::freelocale(locale) };
    Some(encoding)
}

#[cfg(test)]
mod tests {
    use super::encoding;

    #[test]
    fn what_is_not_installed_has_no_encoding() {
        assert_eq!(encoding("xx_XX.UTF-8"), None);
        assert_eq!(encoding("nul\0"), None);
        assert_ne!(encoding("C"), None);
    }
}
