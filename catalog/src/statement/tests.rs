mod golden;
mod properties;
mod rules;
mod trust;
