//! What the machine is like at a moment: the time of day where it is, and whether it runs on battery.

use std::fs;
use std::path::Path;

use chrono::{Local, Timelike};

use crate::shaping::policy::Surroundings;

/// Where Linux tells of power supplies.
const POWER: &str = "/sys/class/power_supply";

/// This moment on this machine.
pub(crate) fn now() -> Surroundings {
    let time = Local::now();
    let minute = (time.hour() * 60 + time.minute()) as u16;
    Surroundings { minute, on_battery: is_on_battery(Path::new(POWER)) }
}

/// Whether a battery is being emptied and nothing else gives power. Where the system does not tell,
/// there is no battery.
fn is_on_battery(supplies: &Path) -> bool {
    let mut is_emptied = false;
    for supply in fs::read_dir(supplies).into_iter().flatten().flatten() {
        let read = |name: &str| {
            let text = fs::read_to_string(supply.path().join(name)).unwrap_or_default();
            text.trim().to_owned()
        };
        // The battery of a mouse is no battery of the machine.
        if read("scope") == "Device" {
            continue;
        }
        match read("type").as_str() {
            "Battery" => is_emptied |= read("status") == "Discharging",
            // Mains, and the many kinds of USB.
            _ if read("online") == "1" => return false,
            _ => {}
        }
    }
    is_emptied
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_machine_is_on_battery_when_nothing_else_gives_power() {
        let dir = tempfile::tempdir().unwrap();
        let set = |supply: &str, name: &str, text: &str| {
            let folder = dir.path().join(supply);
            fs::create_dir_all(&folder).unwrap();
            fs::write(folder.join(name), format!("{text}\n")).unwrap();
        };
        let is_on_battery = || super::is_on_battery(dir.path());
        assert!(!is_on_battery(), "nothing is told");
        set("mouse", "type", "Battery");
        set("mouse", "scope", "Device");
        set("mouse", "status", "Discharging");
        assert!(!is_on_battery());
        set("BAT0", "type", "Battery");
        set("BAT0", "status", "Charging");
        set("AC", "type", "Mains");
        set("AC", "online", "1");
        assert!(!is_on_battery());
        set("BAT0", "status", "Discharging");
        assert!(!is_on_battery(), "a battery may be emptied a little on mains");
        set("AC", "online", "0");
        assert!(is_on_battery());
        assert!(!super::is_on_battery(&dir.path().join("none")));
    }
}
