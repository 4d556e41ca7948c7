//! Keeps the log short: what goes wrong at every try is logged once a minute.

/// How long the same words are not logged again, microseconds.
const SILENT_US: u64 = 60_000_000;
/// How many different words are remembered.
const REMEMBERED_MAX: usize = 16;

/// Remembers which words were logged lately.
#[derive(Default)]
pub struct LogThrottle {
    words: Vec<(String, u64)>,
}

impl LogThrottle {
    /// Returns whether these words are news.
    pub fn is_news(&mut self, words: &str, now_us: u64) -> bool {
        self.words.retain(|(_, logged_us)| now_us < logged_us + SILENT_US);
        if self.words.iter().any(|(logged, _)| logged == words) {
            return false;
        }
        if self.words.len() >= REMEMBERED_MAX {
            self.words.remove(0);
        }
        self.words.push((words.to_owned(), now_us));
        true
    }

    /// Forgets what went wrong before: it is over.
    pub fn forget(&mut self) {
        self.words.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_words_are_logged_once_a_minute() {
        let mut throttle = LogThrottle::default();
        assert!(throttle.is_news("a", 0) && !throttle.is_news("a", 1) && throttle.is_news("b", 2));
        assert!(!throttle.is_news("a", SILENT_US - 1) && throttle.is_news("a", SILENT_US));
        for n in 0..100 {
            throttle.is_news(&n.to_string(), SILENT_US);
        }
        assert!(throttle.words.len() <= REMEMBERED_MAX);
        throttle.forget();
        assert!(throttle.is_news("99", SILENT_US));
    }
}
