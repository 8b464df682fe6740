//! What `config` says of eBPF filters: the commands that put them to work again.

use crate::text::text;
use crate::view::{PortView, StatusView};
use alloc::string::String;
use pollux_net::filter::{DEFAULT_FAULT_LIMIT, DEFAULT_FUEL, DEFAULT_ON_FAULT, Filter};

/// The command, or the remark, at `index` of those about filters.
pub(in super::super) fn program_line(view: &StatusView<'_>, index: usize) -> Option<String> {
    let lines = view.ports.iter().flat_map(|port| {
        let at_work = port.interface.filter().into_iter();
        let at_work = at_work
            .flat_map(|filter| [load_line(filter, port, view), set_line(filter, port, view)]);
        let worn_out = port.interface.worn_out_filter();
        let worn_out = worn_out.map(|(filter, _)| {
            text!(
                "# the filter of {}{} was taken out after {} faults",
                port.name,
                from(filter),
                filter.statistics().faults
            )
        });
        at_work.flatten().chain(worn_out)
    });
    lines.into_iter().nth(index)
}

/// From which file it came, for a remark.
fn from(filter: &Filter) -> String {
    match filter.file() {
        "" => String::new(),
        file => text!(", from the file '{file}',"),
    }
}

/// Whether its file is there, so that it can be loaded again.
fn is_there(filter: &Filter, view: &StatusView<'_>) -> bool {
    view.files.iter().any(|file| file.name == filter.file())
}

fn load_line(filter: &Filter, port: &PortView<'_>, view: &StatusView<'_>) -> Option<String> {
    let (file, card) = (filter.file(), port.name);
    if !is_there(filter, view) {
        return Some(text!(
            "# the filter of {card} came from the file '{file}', which is no longer there"
        ));
    }
    let quote = if file.contains(char::is_whitespace) {
        "'"
    } else {
        ""
    };
    Some(text!("evl net {quote}-F{file}{quote} -i {card}"))
}

/// What is set of it otherwise than it is from the start.
fn set_line(filter: &Filter, port: &PortView<'_>, view: &StatusView<'_>) -> Option<String> {
    let mut settings = String::new();
    if filter.verdict_on_fault() != DEFAULT_ON_FAULT {
        settings += &text!(" on-fault {}", filter.verdict_on_fault().name());
    }
    if filter.fuel() != DEFAULT_FUEL {
        settings += &text!(" fuel {}", filter.fuel());
    }
    if filter.fault_limit() != DEFAULT_FAULT_LIMIT {
        settings += &text!(" fault-limit {}", filter.fault_limit());
    }
    if settings.is_empty() || !is_there(filter, view) {
        return None;
    }
    // The number that it has when those in front of it, as far as their files are there, were loaded again.
    let before = view
        .ports
        .iter()
        .take_while(|other| !core::ptr::eq(*other, port));
    let loaded = before.filter_map(|other| other.interface.filter());
    let id = loaded.filter(|filter| is_there(filter, view)).count() + 1;
    Some(text!("bpftool prog set id {id}{settings}"))
}
