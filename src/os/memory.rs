//! Memory of the process.

/// Gives the kernel back what the allocator keeps free: glibc returns by itself only what is free at the end of a heap, and a few
/// items that stay above it hold tens of megabytes there. It may take some milliseconds, in which an allocation of another thread may
/// wait. Does nothing where the C library is another one.
pub fn give_back() {
    #[cfg(target_env = "gnu")]
    // SAFETY: it takes no pointer and touches only what is free; any thread may call it at any time (malloc_trim(3): MT-Safe).
    unsafe {
        libc::malloc_trim(0);
    }
}

#[cfg(all(test, target_env = "gnu"))]
mod tests {
    use super::*;

    const BLOCKS: usize = 64 * 1024;
    const BLOCK_BYTES: usize = 1024;

    fn resident_bytes() -> usize {
        let status = std::fs::read_to_string("/proc/self/status").unwrap();
        let line = status.lines().find(|line| line.starts_with("RssAnon")).unwrap();
        line.split_whitespace().nth(1).unwrap().parse::<usize>().unwrap() * 1024
    }

    #[test]
    fn what_is_free_below_what_stays_goes_back() {
        let mut blocks: Vec<Vec<u8>> = (0..BLOCKS).map(|_| vec![1; BLOCK_BYTES]).collect();
        let last = blocks.pop();
        drop(blocks);
        let before = resident_bytes();
        give_back();
        let freed = before.saturating_sub(resident_bytes());
        assert!(freed > BLOCKS * BLOCK_BYTES / 2, "{freed} bytes of {before}");
        assert_eq!(last.map(|block| block[BLOCK_BYTES - 1]), Some(1), "what is in use is as it was");
    }
}
