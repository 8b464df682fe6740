//! Has targets try octets without seeing what they reach: for machines without a C++ compiler, which libFuzzer
//! needs. Also writes the seeds.
//!
//! ```text
//! blind TARGET SECONDS ARTIFACTS   mutate the seeds of TARGET; keep an input that fails in ARTIFACTS
//! blind --seeds TARGET FOLDER      write the seeds of TARGET to FOLDER, a file each
//! blind --one TARGET FILE          try the octets of FILE
//! ```

use pollux_fuzz::{TARGETS, Target, seeds};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Mutex;
use std::time::{Duration, Instant};
use std::{env, fs, panic};

/// What is being tried, and where it goes when it fails.
static TRIED: Mutex<(Vec<u8>, Option<PathBuf>)> = Mutex::new((Vec::new(), None));

/// Numbers that look random (SplitMix64), the same in every run with the same first one.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ mixed >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ mixed >> 31
    }

    fn below(&mut self, end: usize) -> usize {
        (self.next() % end.max(1) as u64) as usize
    }

    /// Does one thing to the octets; `other` is another input.
    fn mutate(&mut self, octets: &mut Vec<u8>, other: &[u8]) {
        let place = self.below(octets.len() + 1);
        match self.below(7) {
            0 if !octets.is_empty() => drop(octets.remove(place % octets.len())),
            1 => octets.insert(place, self.next() as u8),
            2 => octets.truncate(place),
            3 => octets.extend(&other[self.below(other.len() + 1)..]),
            4 if place < octets.len() => octets[place] ^= 1 << self.below(8),
            5 if place < octets.len() => octets[place] = [0, 1, 0x7f, 0x80, 0xff][self.below(5)],
            _ if place < octets.len() => octets[place] = self.next() as u8,
            _ => {}
        }
    }
}

fn main() -> ExitCode {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let done = match arguments[..] {
        ["--seeds", name, folder] => write_seeds(name, Path::new(folder)),
        ["--one", name, file] => find(name).and_then(|target| {
            let octets = fs::read(file).map_err(|error| format!("{file}: {error}"))?;
            (target.1)(&octets);
            Ok(())
        }),
        [name, seconds, artifacts] => find(name).and_then(|target| {
            let seconds = seconds
                .parse()
                .map_err(|_| format!("'{seconds}' is no number of seconds"))?;
            run(target, Duration::from_secs(seconds), Path::new(artifacts));
            Ok(())
        }),
        _ => Err("usage: blind TARGET SECONDS ARTIFACTS".into()),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            eprintln!("blind: {message}");
            ExitCode::from(2)
        }
    }
}

fn find(name: &str) -> Result<&'static Target, String> {
    let found = TARGETS.iter().find(|target| target.0 == name);
    found.ok_or_else(|| format!("there is no target '{name}'"))
}

fn write_seeds(name: &str, folder: &Path) -> Result<(), String> {
    let seeds = seeds(name).ok_or_else(|| format!("there is no target '{name}'"))?;
    fs::create_dir_all(folder).map_err(|error| error.to_string())?;
    for (number, seed) in seeds.iter().enumerate() {
        let file = folder.join(format!("seed-{number:03}"));
        fs::write(file, seed).map_err(|error| error.to_string())?;
    }
    Ok(())
}

/// Tries for so long.
fn run((name, target, seeds): &Target, time: Duration, artifacts: &Path) {
    let report = panic::take_hook();
    panic::set_hook(Box::new(move |info| {
        report(info);
        let tried = TRIED
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        if let (octets, Some(file)) = &*tried {
            let kept = fs::write(file, octets).is_ok();
            eprintln!(
                "the input is {} octets, kept: {kept}, at {}",
                octets.len(),
                file.display()
            );
        }
    }));
    let _ = fs::create_dir_all(artifacts);
    let begun = Instant::now();
    let mut random = Random(1);
    let seeds = seeds();
    let mut runs = 0_u64;
    while begun.elapsed() < time {
        let mut octets = seeds[runs as usize % seeds.len()].clone();
        if runs >= seeds.len() as u64 {
            for _ in 0..=random.below(12) {
                let other = random.below(seeds.len());
                random.mutate(&mut octets, &seeds[other]);
            }
        }
        octets.truncate(8192);
        *TRIED.lock().expect("no panic yet") = (
            octets.clone(),
            Some(artifacts.join(format!("{name}-found"))),
        );
        target(&octets);
        runs += 1;
    }
    println!("{name}: {runs} inputs, nothing found");
}
