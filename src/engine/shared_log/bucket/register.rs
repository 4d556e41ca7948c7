//! The register: an object for each entry, made only if there is none of its name.

use super::names::Names;
use super::objects::{Objects, Trouble};
use crate::peer::relay::port::LogEvent;

/// Writes a number into an entry unless something stands there, or only looks; gives what stands there then.
///
/// # Errors
/// Fails if the bucket does not answer; the number may be written all the same.
pub(super) async fn enter(
    objects: Objects,
    names: Names,
    (token, name): (u64, String),
    value: Option<u64>,
) -> Result<LogEvent, Trouble> {
    let object = names.entry(&name);
    if let Some(number) = value {
        match objects.create(&object, number.to_le_bytes().to_vec()).await {
            Ok(()) => return Ok(LogEvent::Entered { token, value }),
            Err(Trouble::Taken) => {}
            Err(trouble) => return Err(trouble),
        }
    }
    let value = objects.get(&object).await?.map(|content| read(&content)).transpose()?;
    Ok(LogEvent::Entered { token, value })
}

fn read(content: &[u8]) -> Result<u64, Trouble> {
    let number = content.try_into().map(u64::from_le_bytes);
    number.map_err(|_| {
        Trouble::Unfit("an object of the register is damaged: it has to have 8 bytes".to_owned())
    })
}
