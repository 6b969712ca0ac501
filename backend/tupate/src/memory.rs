//! How the process keeps its memory.

/// Has the allocator keep what is freed for the next use.
///
/// A step of tuning makes and drops hundreds of megabytes in pieces of up to a
/// hundred. glibc takes each large piece from the system and hands it back at once,
/// and the system clears every page anew: a fifth of all time. And what one thread freed
/// is of no use to another, as long as each has memory of its own: of an encoder of BERT's
/// size, read by many threads, that was 200 MB. Other allocators do as they always do.
pub fn keep_pages() {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    {
        #[expect(unsafe_code, reason = "glibc has no other way to say it from within")]
        // SAFETY: mallopt takes two integers and sets three of the allocator's
        // parameters; it is called before any other thread exists.
        unsafe {
            libc::mallopt(libc::M_MMAP_MAX, 0);
            libc::mallopt(libc::M_TRIM_THRESHOLD, -1);
            libc::mallopt(libc::M_ARENA_MAX, 1);
        }
    }
}
