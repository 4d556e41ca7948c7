//! What was logged lately: what goes wrong at every try is told once a minute.

/// How long the same words are not logged again, microseconds.
const SILENT_US: u64 = 60_000_000;
/// How many different words are remembered.
const REMEMBERED_MAX: usize = 16;

/// Which words were logged lately.
#[derive(Default)]
pub struct Told {
    words: Vec<(String, u64)>,
}

impl Told {
    /// Returns whether these words are news.
    pub fn is_news(&mut self, words: &str, now_us: u64) -> bool {
        self.words.retain(|(_, told_us)| now_us < told_us + SILENT_US);
        if self.words.iter().any(|(told, _)| told == words) {
            return false;
        }
        if self.words.len() >= REMEMBERED_MAX {
            self.words.remove(0);
        }
        self.words.push((words.to_owned(), now_us));
        true
    }

    /// What went wrong before is over.
    pub fn forget(&mut self) {
        self.words.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_words_are_told_once_a_minute() {
        let mut told = Told::default();
        assert!(told.is_news("a", 0) && !told.is_news("a", 1) && told.is_news("b", 2));
        assert!(!told.is_news("a", SILENT_US - 1) && told.is_news("a", SILENT_US));
        for n in 0..100 {
            told.is_news(&n.to_string(), SILENT_US);
        }
        assert!(told.words.len() <= REMEMBERED_MAX);
        told.forget();
        assert!(told.is_news("99", SILENT_US));
    }
}
