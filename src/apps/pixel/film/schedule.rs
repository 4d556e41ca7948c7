//! The moments of a film's pictures.

use super::limits::FILM_PICTURES_MAX;

/// Seconds that a film takes if nobody says how fast it is.
const USUAL_SECONDS: f64 = 10.0;

/// The moments of a film's pictures.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Schedule {
    /// The first one, microseconds since 1970.
    pub from_us: u64,
    /// The last one.
    pub to_us: u64,
    /// Pictures in a second.
    pub fps: u32,
    /// Seconds that pass on the canvas in a second of the film.
    pub speed: f64,
}

impl Schedule {
    /// Returns the film from one moment to another; without a speed it takes ten seconds, and less if it would be slower than time.
    ///
    /// # Errors
    /// Returns what can't be, with what to do, as a sentence.
    pub fn new(from_us: u64, to_us: u64, fps: u32, speed: Option<f64>) -> Result<Self, String> {
        if from_us > to_us {
            return Err("the film would end before it begins: look at --from and --to".to_owned());
        }
        let seconds = (to_us - from_us) as f64 / 1e6;
        let speed = speed.unwrap_or_else(|| (seconds / USUAL_SECONDS).max(1.0));
        let schedule = Self { from_us, to_us, fps, speed };
        if schedule.steps() >= FILM_PICTURES_MAX as f64 {
            let fitting = (seconds * f64::from(fps) / (FILM_PICTURES_MAX - 1) as f64).ceil();
            return Err(format!(
                "the film would have {:.0} frames, more than {FILM_PICTURES_MAX}: let it run faster, with --speed {fitting} or more",
                schedule.steps() + 1.0
            ));
        }
        Ok(schedule)
    }

    /// Returns how often it goes on to another picture.
    fn steps(&self) -> f64 {
        ((self.to_us - self.from_us) as f64 / self.step_us()).ceil()
    }

    fn step_us(&self) -> f64 {
        1e6 * self.speed / f64::from(self.fps)
    }

    /// Returns the number of pictures, at least 1.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.steps() as u64 + 1
    }

    /// Returns the moment of a picture, microseconds since 1970: the nth step behind the first moment, rounded, and the last moment
    /// for the last picture.
    #[must_use]
    pub fn moment_us(&self, picture: u64) -> u64 {
        let behind = (picture as f64 * self.step_us()).round();
        self.from_us.saturating_add(behind as u64).min(self.to_us)
    }

    /// Returns how long the film runs, seconds.
    #[must_use]
    pub fn seconds(&self) -> f64 {
        self.count() as f64 / f64::from(self.fps)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_film_begins_at_its_first_moment_and_ends_at_its_last() {
        let film = Schedule::new(1_000_000, 4_500_000, 2, Some(2.0)).unwrap();
        let moments: Vec<u64> = (0..film.count()).map(|picture| film.moment_us(picture)).collect();
        assert_eq!(moments, [1_000_000, 2_000_000, 3_000_000, 4_000_000, 4_500_000]);
        let one = Schedule::new(7, 7, 25, None).unwrap();
        assert_eq!((one.count(), one.moment_us(0)), (1, 7));
        let thirds = Schedule::new(0, 1_000_000, 3, Some(1.0)).unwrap();
        let moments: Vec<u64> = (0..thirds.count()).map(|picture| thirds.moment_us(picture)).collect();
        assert_eq!(moments, [0, 333_333, 666_667, 1_000_000]);
    }

    #[test]
    fn a_film_takes_ten_seconds_unless_that_is_slow_motion() {
        let day = Schedule::new(0, 86_400_000_000, 25, None).unwrap();
        assert_eq!((day.count(), day.speed), (251, 8_640.0));
        assert_eq!(Schedule::new(0, 3_000_000, 25, None).unwrap().speed, 1.0);
    }

    #[test]
    fn what_can_not_be_says_what_can() {
        assert!(Schedule::new(2, 1, 25, None).unwrap_err().contains("--from"));
        let year = Schedule::new(0, 31_536_000_000_000, 25, Some(60.0)).unwrap_err();
        assert!(year.contains("13140001 frames") && year.contains("--speed 7885 "), "{year}");
        assert!(Schedule::new(0, 31_536_000_000_000, 25, Some(7_885.0)).is_ok());
    }
}
