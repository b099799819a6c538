use crate::args::DemoArgs;
use crate::session::Session;
use crate::stop::Stop;
pub fn demo(_: &Session, _: &DemoArgs) -> Result<(), Stop> {
    Ok(())
}
