//! The page that `status` prints: sections of names and values.

use std::collections::BTreeMap;
use std::fmt;

/// A parsed page.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Status {
    sections: BTreeMap<String, BTreeMap<String, String>>,
    text: String,
}

impl Status {
    /// Parses a page: a line at the margin begins a section, the others are a name and a value. What was
    /// logged in between, such as `eth0: link up`, is passed over.
    pub fn parse(text: &str) -> Self {
        let mut sections = BTreeMap::<String, BTreeMap<String, String>>::new();
        let mut current = String::new();
        for line in text.lines() {
            let Some(row) = line.strip_prefix("  ") else {
                if line.contains(": ") {
                    continue;
                }
                current = line.to_owned();
                sections.entry(current.clone()).or_default();
                continue;
            };
            let (name, value) = row.split_once(' ').unwrap_or((row, ""));
            let section = sections.entry(current.clone()).or_default();
            section.insert(name.to_owned(), value.trim().to_owned());
        }
        Self {
            sections,
            text: text.to_owned(),
        }
    }

    /// A value.
    ///
    /// # Panics
    ///
    /// The page does not have it.
    pub fn value(&self, section: &str, name: &str) -> &str {
        self.sections
            .get(section)
            .and_then(|section| section.get(name))
            .unwrap_or_else(|| panic!("status has no `{name}` under `{section}`:\n{}", self.text))
    }

    /// A time in ticks, behind which the page says so.
    ///
    /// # Panics
    ///
    /// The page does not have it, or not in ticks.
    pub fn ticks(&self, section: &str, name: &str) -> u64 {
        let value = self.value(section, name);
        let number = value
            .strip_suffix(" ticks")
            .and_then(|rest| rest.split(' ').next_back());
        let number = number.and_then(|number| number.parse().ok());
        number.unwrap_or_else(|| panic!("`{value}` does not end in ticks"))
    }

    /// Whether the page has a section.
    pub fn has(&self, section: &str) -> bool {
        self.sections.contains_key(section)
    }

    /// Whether a section of the page has a row.
    pub fn has_row(&self, section: &str, name: &str) -> bool {
        let rows = self.sections.get(section);
        rows.is_some_and(|rows| rows.contains_key(name))
    }

    /// The counters of a port.
    ///
    /// # Panics
    ///
    /// The page does not have them, or one is not a number.
    pub fn counters(&self, port: &str) -> Counters {
        let section = self
            .sections
            .get(&format!("counters {port}"))
            .unwrap_or_else(|| panic!("status has no counters of {port}:\n{}", self.text));
        let number = |(name, value): (&String, &String)| {
            let number = value
                .parse()
                .unwrap_or_else(|_| panic!("counter `{name}` is `{value}`:\n{}", self.text));
            (name.clone(), number)
        };
        Counters(section.iter().map(number).collect())
    }
}

/// The counters of a port by their names. One that is not shown is 0.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Counters(BTreeMap<String, u64>);

/// Shown with the reasons, and not one.
const SUM: &str = "sum_of_reasons";

impl Counters {
    /// A counter.
    pub fn get(&self, name: &str) -> u64 {
        self.0.get(name).copied().unwrap_or(0)
    }

    /// How far each counter moved since `before`; those that did not move are left out.
    ///
    /// # Panics
    ///
    /// One went backwards.
    pub fn since(&self, before: &Self) -> Self {
        let difference = |(name, &now): (&String, &u64)| {
            let before = before.get(name);
            assert!(
                now >= before,
                "counter `{name}` fell from {before} to {now}"
            );
            (now > before).then(|| (name.clone(), now - before))
        };
        Self(self.0.iter().filter_map(difference).collect())
    }

    /// The sum of the reasons why frames were not answered.
    pub fn reasons(&self) -> u64 {
        let is_reason = |name: &str| !["received", "answered", SUM].contains(&name);
        let reasons = self.0.iter().filter(|(name, _)| is_reason(name));
        reasons.map(|(_, count)| count).sum()
    }

    /// Checks that every received frame was answered or has one reason why not.
    ///
    /// # Panics
    ///
    /// It does not add up.
    pub fn assert_complete(&self) {
        let outcomes = self.get("answered") + self.reasons();
        assert_eq!(
            self.get("received"),
            outcomes,
            "counters do not add up: {self}"
        );
        assert_eq!(
            self.get(SUM),
            self.reasons(),
            "wrong sum of reasons: {self}"
        );
    }
}

impl From<Vec<(&str, u64)>> for Counters {
    fn from(counters: Vec<(&str, u64)>) -> Self {
        let named = |(name, count): (&str, u64)| (name.to_owned(), count);
        Self(counters.into_iter().map(named).collect())
    }
}

impl fmt::Display for Counters {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let counters = self.0.iter().map(|(name, count)| format!("{name} {count}"));
        write!(f, "{}", counters.collect::<Vec<_>>().join(", "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PAGE: &str = "port eth0\n  mac                     52:54:00:12:34:56\n  \
        link                    up 1000 Mbit/s full duplex\ncounters eth0\n  \
        received                9\n  answered                4\n  untagged                3\n  \
        icmp_checksum           2\n  sum_of_reasons          5\n";

    #[test]
    fn values_and_counters_are_found() {
        let status = Status::parse(PAGE);
        assert_eq!(
            status.value("port eth0", "link"),
            "up 1000 Mbit/s full duplex"
        );
        let counters = status.counters("eth0");
        assert_eq!(counters.get("untagged"), 3);
        assert_eq!(counters.get("runt"), 0);
        assert_eq!(counters.reasons(), 5);
        counters.assert_complete();
    }

    #[test]
    fn differences_leave_out_what_stood_still() {
        let before = Status::parse(PAGE).counters("eth0");
        let page = PAGE.replace("untagged                3", "untagged                7");
        let after = Status::parse(&page).counters("eth0");
        assert_eq!(after.since(&before).to_string(), "untagged 4");
    }

    #[test]
    #[should_panic(expected = "counters do not add up")]
    fn a_frame_without_an_outcome_is_noticed() {
        let page = PAGE.replace("received                9", "received                10");
        Status::parse(&page).counters("eth0").assert_complete();
    }
}
