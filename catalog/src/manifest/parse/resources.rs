//! `resources`: how much a variant takes of a machine.

use crate::manifest::finding::{Code, Finding};
use crate::manifest::keys::{Keys, Spanned};
use crate::size::ByteSize;
use crate::variant::{Amount, Count, Resources};

pub(super) fn resources(keys: &mut Keys<'_>) -> Resources {
    let Some(mut table) = keys.table("resources") else { return Resources::default() };
    let [memory, disk, vram] = ["memory", "disk", "vram"].map(|key| amount(&mut table, key));
    let cores = count(&mut table);
    table.finish();
    Resources { memory, disk, vram, cores }
}

fn amount(table: &mut Keys<'_>, key: &'static str) -> Amount {
    let Some(mut keys) = amount_table(table, key, "\"1GiB\"") else { return Amount::default() };
    let [min, recommended] = ["min", "recommended"].map(|key| keys.parsed::<ByteSize>(key));
    in_order(&keys, &min, &recommended);
    keys.finish();
    Amount { min: min.map(|min| min.value), recommended: recommended.map(|size| size.value) }
}

fn count(table: &mut Keys<'_>) -> Count {
    let Some(mut keys) = amount_table(table, "cores", "2") else { return Count::default() };
    let [min, recommended] = ["min", "recommended"].map(|key| keys.uint(key));
    in_order(&keys, &min, &recommended);
    keys.finish();
    Count { min: min.map(|min| min.value), recommended: recommended.map(|count| count.value) }
}

fn amount_table<'a>(table: &mut Keys<'a>, key: &'static str, example: &str) -> Option<Keys<'a>> {
    let (_, item) = table.item(key)?;
    if item.as_value().is_some_and(|value| !value.is_inline_table()) {
        let message = format!("`{key}` of {} is not {{ min, recommended }}", table.name());
        let hint = format!("write {key} = {{ min = {example} }}");
        let finding = Finding::error(Code::Resources, message).with_hint(hint);
        table.findings().push(finding.at(item.span()));
        return None;
    }
    table.table(key)
}

fn in_order<T: PartialOrd>(
    keys: &Keys<'_>,
    min: &Option<Spanned<T>>,
    recommended: &Option<Spanned<T>>,
) {
    let (Some(min), Some(recommended)) = (min, recommended) else { return };
    if recommended.value < min.value {
        let message = format!("{} recommends less than its `min`", keys.name());
        let finding = Finding::error(Code::Resources, message);
        let hint = "`min` is the least it runs with, `recommended` what it runs well with";
        keys.findings().push(finding.with_hint(hint).at(recommended.span.clone()));
    }
}
