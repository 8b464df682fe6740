//! Which processor each thread of a measurement runs on: the same for everybody.
//!
//! A virtual processor that polls never sleeps, so that whoever wakes up on its processor takes turns with it,
//! for milliseconds at a time. Therefore it has one for itself, and whoever carries frames to it and asks has the others,
//! as in the field. A machine with one processor is left as it is.

use std::path::PathBuf;
use std::{fs, io};

use nix::errno::Errno;
use nix::sched::{CpuSet, sched_getaffinity, sched_setaffinity};
use nix::unistd::Pid;

/// The thread that calls.
const SELF: Pid = Pid::from_raw(0);

/// Two places: one for who answers, and one for all else.
#[derive(Clone, Copy, Debug)]
pub struct Places {
    all: CpuSet,
    answering: CpuSet,
    others: CpuSet,
}

impl Places {
    /// Those of this program's processors: the last one for who answers. None, if there is but one.
    ///
    /// # Errors
    ///
    /// What the operating system said.
    pub fn of_this_program() -> io::Result<Option<Self>> {
        let all = sched_getaffinity(SELF)?;
        let numbers = (0..CpuSet::count()).filter(|&number| all.is_set(number) == Ok(true));
        let numbers: Vec<_> = numbers.collect();
        let Some((&last, others @ [_, ..])) = numbers.split_last() else {
            return Ok(None);
        };
        Ok(Some(Self {
            all,
            answering: set(&[last])?,
            others: set(others)?,
        }))
    }

    /// Has the threads `answering` of a process stay on the one processor, and its others away from it. Without any
    /// named, the whole process answers.
    ///
    /// # Errors
    ///
    /// What the operating system said.
    pub fn put(&self, process: u32, answering: &[u32]) -> io::Result<()> {
        each_thread(process, |thread| {
            match answering.is_empty() || answering.contains(&thread) {
                true => self.answering,
                false => self.others,
            }
        })
    }

    /// Does `ask` in this thread, with who answers left alone.
    ///
    /// # Errors
    ///
    /// What the operating system said.
    pub fn apart<T>(&self, ask: impl FnOnce() -> T) -> io::Result<T> {
        sched_setaffinity(SELF, &self.others)?;
        let result = ask();
        sched_setaffinity(SELF, &self.all)?;
        Ok(result)
    }
}

/// Gives each thread of a process its processors.
fn each_thread(process: u32, place: impl Fn(u32) -> CpuSet) -> io::Result<()> {
    for entry in fs::read_dir(PathBuf::from(format!("/proc/{process}/task")))? {
        let name = entry?.file_name();
        let Some(thread) = name.to_str().and_then(|name| name.parse().ok()) else {
            continue;
        };
        match sched_setaffinity(Pid::from_raw(thread as i32), &place(thread)) {
            // It ended meanwhile.
            Ok(()) | Err(Errno::ESRCH) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}

fn set(numbers: &[usize]) -> nix::Result<CpuSet> {
    let mut set = CpuSet::new();
    for &number in numbers {
        set.set(number)?;
    }
    Ok(set)
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    /// The processors that the thread `thread` of this program may run on.
    fn of(thread: Pid) -> Vec<usize> {
        let set = sched_getaffinity(thread).unwrap();
        let all = 0..CpuSet::count();
        all.filter(|&number| set.is_set(number) == Ok(true))
            .collect()
    }

    #[test]
    fn who_answers_has_a_processor_that_nobody_else_has() {
        let Some(places) = Places::of_this_program().unwrap() else {
            return;
        };
        let before = of(SELF);
        let (&last, others) = before.split_last().unwrap();
        let mut sleepers = [(); 2].map(|()| Command::new("sleep").arg("60").spawn().unwrap());
        let [whole, part] = [&sleepers[0], &sleepers[1]].map(|sleeper| sleeper.id());
        places.put(whole, &[]).unwrap();
        places.put(part, &[part + 1]).unwrap();
        let found = [whole, part].map(|process| of(Pid::from_raw(process as i32)));
        for sleeper in &mut sleepers {
            sleeper.kill().unwrap();
            sleeper.wait().unwrap();
        }
        assert_eq!(found, [vec![last], others.to_vec()]);
        assert_eq!(places.apart(|| of(SELF)).unwrap(), others);
        assert_eq!(of(SELF), before);
    }
}
