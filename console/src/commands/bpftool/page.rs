//! What `bpftool` says in return: programs and maps, one after the other, and a map's entries.

use super::super::status::TakenOut;
use super::entries::{Dump, entry_row};
use super::{Bpftool, Deed, maps, programs};
use crate::json::Quoted;
use crate::listing::{Cursor, Due, Row};
use crate::reply::Progress;
use crate::text::{clipped, text};
use crate::view::{PortView, StatusView};
use alloc::string::String;
use core::fmt::{self, Write};
use pollux_net::filter::{Filter, Map, MapKind, Verdict};

/// A reply under way.
#[derive(Clone, Debug)]
pub(crate) struct Page {
    deed: Deed,
    cursor: Cursor,
    dump: Dump,
}

impl Page {
    pub(crate) fn new(bpftool: Bpftool) -> Self {
        Self {
            deed: bpftool.0,
            cursor: Cursor::default(),
            dump: Dump::default(),
        }
    }

    /// Writes the next line.
    pub(crate) fn next_line(
        &mut self,
        json: bool,
        view: &StatusView<'_>,
        out: &mut dyn Write,
    ) -> Result<Progress, fmt::Error> {
        match &self.deed {
            Deed::ShowPrograms => self.cursor.next_line(json, out, |due, out| {
                let Some((port, filter)) = programs(view).nth(due.item) else {
                    let index = due.item - programs(view).count();
                    return taken_out_line(index, due, json, view, out);
                };
                let number = due.item + 1;
                match json {
                    true => program_json(due.row, due.lead, number, port, filter, out),
                    false => program_line(due.row, number, port, filter, view, out),
                }
            }),
            Deed::ShowMaps => self.cursor.next_line(json, out, |due, out| {
                let Some((id, port, map)) = maps(view).nth(due.item) else {
                    return Ok(Row::End);
                };
                match json {
                    true => map_json(due.row, due.lead, id, port, map, out),
                    false => map_line(due.row, id, port, map, out),
                }
            }),
            Deed::Dump(which) => match which.find(view) {
                Some(map) => self.dump.next_line(map, json, out),
                None => Ok(Progress::Done),
            },
            Deed::Lookup(which, key) => {
                let row = self.dump.row;
                self.dump.row += 1;
                let value = which.find(view).and_then(|map| map.value(key));
                match value.map(|value| entry_row(row, key, value, json, out)) {
                    Some(Ok(true)) => Ok(Progress::Line),
                    Some(Err(error)) => Err(error),
                    _ => Ok(Progress::Done),
                }
            }
            Deed::Set { .. } | Deed::Update { .. } | Deed::Delete(..) => Ok(Progress::Done),
        }
    }
}

/// Octets of an instruction.
const INSTRUCTION: usize = 8;

fn program_line(
    row: usize,
    number: usize,
    port: &PortView<'_>,
    filter: &Filter,
    view: &StatusView<'_>,
    out: &mut dyn Write,
) -> Result<Row, fmt::Error> {
    let statistics = filter.statistics();
    match row {
        0 => write!(
            out,
            "{number}: socket_filter  name {}  tag {:016x}  dev {}  run_cnt {}",
            clipped::<40>(filter.name()),
            filter.tag(),
            clipped::<15>(port.name),
            statistics.runs
        )?,
        1 => {
            let octets = filter.instructions() * INSTRUCTION;
            write!(out, "\txlated {octets}B")?;
            let own = maps(view).filter(|(_, of, _)| core::ptr::eq(*of, port));
            for (index, (id, _, _)) in own.enumerate() {
                let lead = if index == 0 { "  map_ids " } else { "," };
                write!(out, "{lead}{id}")?;
            }
        }
        2 => {
            out.write_str("\tverdicts")?;
            for (verdict, count) in Verdict::ALL.iter().zip(statistics.verdicts) {
                write!(out, "  {} {count}", verdict.name())?;
            }
            write!(out, "  unknown {}", statistics.unknown)?;
            if statistics.unknown > 0 {
                write!(out, " (last {})", statistics.last_unknown)?;
            }
            write!(out, "  short {}", statistics.short)?;
        }
        3 => {
            write!(out, "\tfaults {}", statistics.faults)?;
            if let Some(fault) = statistics.last_fault {
                write!(out, " (last: {})", clipped::<80>(fault))?;
            }
            let (limit, verdict) = (filter.fault_limit(), filter.verdict_on_fault());
            write!(out, "  fault-limit {limit}  on-fault {}", verdict.name())?;
        }
        4 => {
            write!(
                out,
                "\tcost average {} max {}  fuel {}",
                statistics.average_cost(),
                statistics.highest_cost,
                filter.fuel()
            )?;
            if let Some(average) = statistics.average_nanoseconds() {
                let (longest, timed) = (statistics.longest_nanoseconds, statistics.timed);
                write!(
                    out,
                    "  time average {average} ns max {longest} ns timed {timed}"
                )?;
            }
        }
        _ => return Ok(Row::Beyond),
    }
    Ok(Row::Written)
}

fn program_json(
    row: usize,
    lead: &str,
    number: usize,
    port: &PortView<'_>,
    filter: &Filter,
    out: &mut dyn Write,
) -> Result<Row, fmt::Error> {
    let statistics = filter.statistics();
    match row {
        0 => write!(
            out,
            "{lead}{{\"id\":{number},\"type\":\"socket_filter\",\"name\":{},\"tag\":\"{:016x}\",\"dev\":{},\"run_cnt\":{},\"bytes_xlated\":{},",
            Quoted(clipped::<40>(filter.name())),
            filter.tag(),
            Quoted(clipped::<15>(port.name)),
            statistics.runs,
            filter.instructions() * INSTRUCTION
        )?,
        1 => {
            for (verdict, count) in Verdict::ALL.iter().zip(statistics.verdicts) {
                write!(out, "\"{}\":{count},", verdict.name())?;
            }
            let (unknown, short) = (statistics.unknown, statistics.short);
            write!(out, "\"unknown\":{unknown},\"short\":{short},")?;
        }
        2 => write!(
            out,
            "\"faults\":{},\"fault_limit\":{},\"on_fault\":\"{}\",\"cost_average\":{},\"cost_max\":{},\"fuel\":{},",
            statistics.faults,
            filter.fault_limit(),
            filter.verdict_on_fault().name(),
            statistics.average_cost(),
            statistics.highest_cost,
            filter.fuel()
        )?,
        3 => write!(
            out,
            "\"time_average_ns\":{},\"time_max_ns\":{},\"timed\":{}}}",
            statistics.average_nanoseconds().unwrap_or(0),
            statistics.longest_nanoseconds,
            statistics.timed
        )?,
        _ => return Ok(Row::Beyond),
    }
    Ok(Row::Written)
}

/// Writes of the program at `index` of those that were taken out because of their faults.
fn taken_out_line(
    index: usize,
    due: Due,
    json: bool,
    view: &StatusView<'_>,
    out: &mut dyn Write,
) -> Result<Row, fmt::Error> {
    let ports = view.ports.iter();
    let mut all = ports.filter_map(|port| Some((port, TakenOut::of(port, view)?)));
    let Some((port, taken_out)) = all.nth(index) else {
        return Ok(Row::End);
    };
    let device = clipped::<15>(port.name);
    match (due.row, json) {
        (0, false) => write!(out, "{device}: {taken_out}")?,
        (0, true) => write!(
            out,
            "{}{{\"type\":\"socket_filter\",\"name\":{},\"tag\":\"{:016x}\",\"dev\":{},\"taken_out_ns\":{},\"faults\":{},\"last_fault\":{}}}",
            due.lead,
            Quoted(clipped::<40>(taken_out.filter().name())),
            taken_out.filter().tag(),
            Quoted(device),
            taken_out.uptime_ns(),
            taken_out.filter().statistics().faults,
            Quoted(
                taken_out
                    .filter()
                    .statistics()
                    .last_fault
                    .map_or(String::new(), |fault| text!("{fault}"))
            )
        )?,
        _ => return Ok(Row::Beyond),
    }
    Ok(Row::Written)
}

fn kind_name(map: &Map) -> &'static str {
    match map.kind() {
        MapKind::Hash => "hash",
        MapKind::Array => "array",
    }
}

fn map_line(
    row: usize,
    id: u32,
    port: &PortView<'_>,
    map: &Map,
    out: &mut dyn Write,
) -> Result<Row, fmt::Error> {
    match row {
        0 => write!(
            out,
            "{id}: {}  name {}  dev {}",
            kind_name(map),
            clipped::<60>(map.name()),
            clipped::<15>(port.name)
        )?,
        1 => write!(
            out,
            "\tkey {}B  value {}B  max_entries {}  entries {}",
            map.key_size(),
            map.value_size(),
            map.maximum_entries(),
            map.len()
        )?,
        _ => return Ok(Row::Beyond),
    }
    Ok(Row::Written)
}

fn map_json(
    row: usize,
    lead: &str,
    id: u32,
    port: &PortView<'_>,
    map: &Map,
    out: &mut dyn Write,
) -> Result<Row, fmt::Error> {
    if row > 0 {
        return Ok(Row::Beyond);
    }
    write!(
        out,
        "{lead}{{\"id\":{id},\"type\":\"{}\",\"name\":{},\"dev\":{},\"bytes_key\":{},\"bytes_value\":{},\"max_entries\":{},\"entries\":{}}}",
        kind_name(map),
        Quoted(clipped::<60>(map.name())),
        Quoted(clipped::<15>(port.name)),
        map.key_size(),
        map.value_size(),
        map.maximum_entries(),
        map.len()
    )?;
    Ok(Row::Written)
}
